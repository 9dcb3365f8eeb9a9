"""Tests of domctx_sim.kernel_image: XenoGues and XenGuest images, and files that are none."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError, DomctxError, RecordError, StreamError
from domctx_sim.kernel_image import KernelImage, make_guest, read_image, read_limited

LIMIT = 1 << 20
IMAGE = make_guest(b"payload", 0xC000_0000)


def image_file(folder: Path, octets: bytes) -> Path:
    """A file with these octets."""
    path = folder / "kernel.img"
    path.write_bytes(octets)
    return path


@settings(max_examples=30, deadline=None)
@given(payload=st.binary(min_size=1, max_size=5000), page=st.integers(0, 0xFBFFF), packed=st.booleans())
def test_what_is_made_is_read(
    tmp_path_factory: pytest.TempPathFactory, payload: bytes, page: int, packed: bool
) -> None:
    """An image gives back its load address and payload, packed or not."""
    path = image_file(tmp_path_factory.getbasetemp(), make_guest(payload, page << 12, packed=packed))
    assert read_image(path, LIMIT) == KernelImage(page << 12, payload)


def test_octets_of_an_image() -> None:
    """An image is the signature, the load address and the payload; the same one comes out each time."""
    assert IMAGE == b"XenGuest\x00\x00\x00\xc0payload"
    assert make_guest(b"x" * 9999, 0, packed=True) == make_guest(b"x" * 9999, 0, packed=True)


@pytest.mark.parametrize(
    "octets",
    [
        IMAGE,
        b"XenoGues" + IMAGE[8:],
        gzip.compress(IMAGE, 1, mtime=0),
        gzip.compress(IMAGE[:5], mtime=0) + gzip.compress(IMAGE[5:], 9, mtime=0),
    ],
    ids=["XenGuest", "XenoGues", "packed", "two members"],
)
def test_kinds_of_images(tmp_path: Path, octets: bytes) -> None:
    """Both signatures are known, and gzip of any level, in one member or several."""
    assert read_image(image_file(tmp_path, octets), LIMIT) == KernelImage(0xC000_0000, b"payload")


@pytest.mark.parametrize(
    ("octets", "kind", "message"),
    [
        (b"", StreamError, "too short; expected 13 octets or more, got 0"),
        (IMAGE[:12], StreamError, "too short; expected 13 octets or more, got 12"),
        (gzip.compress(IMAGE[:12], mtime=0), StreamError, "too short"),
        (b"\x7fELF" + IMAGE[4:], StreamError, "no kernel image; expected XenGuest or XenoGues"),
        (gzip.compress(IMAGE, mtime=0)[:-1], StreamError, "gzip data is cut"),
        (gzip.compress(IMAGE, mtime=0)[:-9], StreamError, "gzip data is cut|gzip data is damaged"),
        (gzip.compress(IMAGE, mtime=0)[:-8] + bytes(8), StreamError, "gzip data is damaged"),
        (gzip.compress(IMAGE, mtime=0) + b"more", StreamError, "gzip data is damaged"),
        (b"XenGuest\x01\x00\x00\xc0payload", RecordError, "not page-aligned; got 0xc0000001"),
        (b"XenGuest\x00\x00\x00\xfcpayload", RecordError, "belongs to Xen; expected below 0xfc000000"),
        (IMAGE + bytes(LIMIT), DomainError, "larger than the domain"),
        (IMAGE + bytes(2 * LIMIT), DomainError, "larger than the domain"),
        (gzip.compress(IMAGE + bytes(8 * LIMIT)), DomainError, "larger than the domain"),
    ],
)
def test_bad_images(tmp_path: Path, octets: bytes, kind: type[DomctxError], message: str) -> None:
    """Each rule of formats/xen.md 6.2 has its own message, which names the file."""
    path = image_file(tmp_path, octets)
    with pytest.raises(kind, match=message) as caught:
        read_image(path, LIMIT)
    assert caught.value.file == str(path)


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 400), octet=st.integers(0, 255))
def test_damaged_images(tmp_path_factory: pytest.TempPathFactory, place: int, octet: int) -> None:
    """A packed image with any octet changed is read as it was, or refused."""
    octets = bytearray(make_guest(bytes(range(200)), 0x1000, packed=True))
    octets[place % len(octets)] = octet
    path = image_file(tmp_path_factory.getbasetemp(), bytes(octets))
    try:
        image = read_image(path, LIMIT)
    except DomctxError:
        return
    assert image == KernelImage(0x1000, bytes(range(200)))


def test_images_that_cannot_be_made() -> None:
    """An empty binary and a bad load address are refused."""
    with pytest.raises(RecordError, match="binary is empty"):
        make_guest(b"", 0)
    for address, message in ((-4096, "belongs to Xen"), (0xFC00_0000, "belongs to Xen"), (5, "not page-aligned")):
        with pytest.raises(RecordError, match=message):
            make_guest(b"x", address)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """No file and a folder are refused, naming them."""
    with pytest.raises(DomainError, match="No such file"):
        read_limited(tmp_path / "none", 5)
    with pytest.raises(DomainError, match="Is a directory"):
        read_image(tmp_path, LIMIT)
