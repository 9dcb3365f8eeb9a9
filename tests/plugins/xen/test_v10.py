"""The domain context image in a record of a stream of version 4."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, strategies as st

from domctx.errors import DomctxError
from domctx.states import TscContext
from domctx_xen import v10
from helpers import xen_streams as xs
from helpers.xen_streams import made


def image(width: int = 8, *, posted: bool = False) -> bytes:
    """A v10 image, made from the reference."""
    return made(xs.domain_context(width, posted=posted)).octets[8:]


@pytest.mark.parametrize("posted", [False, True])
@pytest.mark.parametrize(("width", "abi"), [(8, "xen-x86_64"), (4, "xen-x86_32")])
def test_an_image_is_read_and_written(width: int, abi: str, posted: bool, tmp_path: object) -> None:
    """Shared info of both widths, TSC_INFO of both lengths, and the same octets again."""
    found = v10.read(image(width, posted=posted))
    assert found.tsc == TscContext(1, 2_500_000, 123_456_789_012, 1)
    assert found.posted is posted
    assert found.shared_info is not None
    assert found.shared_info.abi == abi
    assert v10.write(found) == image(width, posted=posted)


def item(type: int, body: bytes = b"", instance: int = 0) -> bytes:
    """A record."""
    return struct.pack("<IIQ", type, instance, len(body)) + body + bytes(-len(body) % 8)


START, END = item(1, struct.pack("<II", 4, 15)), item(0)
REFUSED = {
    "without END": (START, "ends without END"),
    "empty": (b"", "ends without END"),
    "without START": (item(3, bytes(20)) + END, "START is the first record"),
    "two STARTs": (START + START + END, "START is the first record"),
    "unknown": (START + item(9) + END, "type that is not known"),
    "twice": (START + item(3, bytes(20)) * 2 + END, "a second TSC_INFO"),
    "instance": (START + item(3, bytes(20), 1) + END, "a second TSC_INFO"),
    "behind END": (START + END + b"x", "goes on behind END"),
    "END with a body": (START + item(0, b"x"), "goes on behind END"),
    "newer": (item(1, struct.pack("<II", 99, 0)) + END, "99.0"),
    "padding": (START + item(3, bytes(20))[:-1] + b"x" + END, "padding"),
    "short": (START + item(2, b"") + END, "SharedInfoBody|too short|length"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_images_are_refused(name: str) -> None:
    """With the offset of the record within the image."""
    octets, message = REFUSED[name]
    with pytest.raises(DomctxError, match=message) as caught:
        v10.read(octets)
    assert caught.value.offset is not None
    assert 0 <= caught.value.offset <= len(octets)


@given(st.integers(0, len(image()) - 1), st.integers(1, 255))
def test_flipped_images_are_read_or_refused(place: int, flip: int) -> None:
    """Nothing but typed errors."""
    octets = bytearray(image())
    octets[place] ^= flip
    try:
        v10.read(bytes(octets))
    except DomctxError:
        return


def test_an_image_of_nothing_is_start_and_end() -> None:
    """Forty octets (formats/xen.md 2.2)."""
    assert v10.write(v10.Held()) == START + END
    assert v10.read(START + END) == v10.Held()
