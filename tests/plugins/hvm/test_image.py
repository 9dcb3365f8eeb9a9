"""The framing of an HVM save image: entries out of octets and back, and what is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, strategies as st

from domctx.errors import DomctxError, RecordError, UnsupportedError
from domctx_hvm.image import Entry, HvmImage, join, split
from helpers.hvm_states import END, HEADER, entry, image, images


@given(images(), st.binary(max_size=20))
def test_an_image_is_taken_apart_and_put_together(octets: bytes, trailing: bytes) -> None:
    """The entries of an image and what stands behind END make the same octets again."""
    found = split(octets + trailing)
    assert found.trailing == trailing
    assert join(found.entries, found.trailing) == octets + trailing


@given(images())
def test_every_truncation_is_refused(octets: bytes) -> None:
    """An image that is cut anywhere is refused with a RecordError that names the offset."""
    for size in range(0, len(octets), max(1, len(octets) // 97)):
        with pytest.raises(RecordError) as caught:
            split(octets[:size])
        assert caught.value.offset is not None or size < 32


@given(images(), st.data())
def test_a_flipped_bit_is_refused_or_kept(octets: bytes, data: st.DataObject) -> None:
    """An image with a flipped bit is refused with a DomctxError, or is put together to the flipped octets."""
    bit = data.draw(st.integers(0, 8 * len(octets) - 1))
    flipped = bytearray(octets)
    flipped[bit // 8] ^= 1 << bit % 8
    try:
        found = split(bytes(flipped))
    except DomctxError:
        return
    assert join(found.entries, found.trailing) == flipped


@given(st.binary(max_size=200))
def test_garbage_is_refused(octets: bytes) -> None:
    """What does not begin with a HEADER entry is refused."""
    if not octets.startswith(HEADER[:16]):
        with pytest.raises(DomctxError):
            split(octets)


def test_entries_are_told_with_their_places() -> None:
    """Each entry has its type, instance, body and the offset of its descriptor."""
    found = split(image(entry(19, bytes(8), 2)))
    assert found == HvmImage((Entry(1, 0, HEADER[8:], 0), Entry(19, 2, bytes(8), 32), Entry(0, 0, b"", 48)))


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (
            b"",
            r"0x0+: the HVM context ends without an END entry; expected a descriptor of 0x00000008 octets, got 0x0+$",
        ),
        (HEADER + bytes(7), r"at 0x0+20: the HVM context ends without an END entry; .* got 0x00000007"),
        (
            HEADER + struct.pack("<HHI", 19, 1, 8),
            r"entry type 19 instance 1 reaches beyond .* at most 0x00000000 .*08$",
        ),
        (HEADER + struct.pack("<HHI", 2, 0, 0xFFFFFFF8) + bytes(64), r"reaches beyond .* 0x00000040 .* got 0xfffffff8"),
        (END, r"does not begin with HEADER; expected type 1 instance 0, got type 0 instance 0"),
        (struct.pack("<HHI", 1, 1, 24) + HEADER[8:] + END, r"does not begin with HEADER; .* got type 1 instance 1"),
        (struct.pack("<HHI", 1, 0, 16) + HEADER[8:24] + END, r"Header: the body is too short"),
        (HEADER[:8] + b"\1" + HEADER[9:] + END, r"at 0x0+8: HEADER has another magic; expected 0x54381286, got 0x5438"),
        (
            HEADER + struct.pack("<HHI", 0, 1, 0),
            r"at 0x0+20: END is not an empty entry .* got instance 1, 0x00000000 oc",
        ),
        (HEADER + struct.pack("<HHI", 0, 0, 8) + bytes(8), r"END is not an empty entry .* 0x00000008 octets"),
    ],
)
def test_broken_framing_is_refused(octets: bytes, message: str) -> None:
    """Each way in which the framing is broken is told with its place, what was expected, and what was there."""
    with pytest.raises(RecordError, match=message):
        split(octets)


def test_another_version_is_unsupported() -> None:
    """An image of version 2 is unsupported."""
    with pytest.raises(UnsupportedError, match=r"of another version; expected 0x00000001, got 0x00000002"):
        split(HEADER[:12] + b"\2" + HEADER[13:] + END)


def test_too_many_entries_are_refused() -> None:
    """An image of more than 16384 entries is refused before more objects are made of it."""
    with pytest.raises(RecordError, match=r"too many entries; expected at most 0x00004000"):
        split(image(entry(99, b"") * 16384))
