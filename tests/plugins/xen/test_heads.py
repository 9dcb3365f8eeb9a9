"""The headers of xl, libxl and libxc: what is read of them, and what is refused by name."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from domctx.errors import DomctxError, StreamError, UnsupportedError
from domctx_xen.files import open_file
from domctx_xen.heads import Heads, read_heads, read_libxc
from helpers import xen_streams as xs
from helpers.xen_streams import Bits, made


def heads_of(folder: Path, *parts: Bits | bytes) -> Heads:
    """The headers of a file."""
    file = open_file(str(made(*parts).write(folder)))
    try:
        return read_heads(file)
    finally:
        file.close()


def test_a_file_of_xl_tells_its_configuration(tmp_path: Path) -> None:
    """The configuration is what its length says; what stands behind it in the optional data is kept, not looked at."""
    found = heads_of(tmp_path, xs.xl_header(b"{}", more=b"more"), xs.libxl_header())
    assert found.xl is not None
    assert (found.xl.config, found.xl.json) == (b"{}", True)
    assert found.xl.octets.endswith(b"{}more")
    assert found.libxl is not None
    assert found.libxl.offset == len(found.xl.octets)


def test_a_file_of_xl_may_have_no_optional_data(tmp_path: Path) -> None:
    """Nothing at all, or a length of 0: both are no configuration."""
    bare = b"Xen saved domain, xl format\n \0 \r" + struct.pack("<IIII", 0x01020304, 2, 0, 0)
    for header in (bare, xs.xl_header()):
        found = heads_of(tmp_path, header, xs.libxl_header())
        assert found.xl is not None
        assert (found.xl.config, found.xl.json) == (b"", False)


def test_a_legacy_stream_that_was_converted_is_told(tmp_path: Path) -> None:
    """Bit 1 of libxl's options."""
    for options, legacy in ((0, False), (2, True)):
        found = heads_of(tmp_path, xs.libxl_header(options=options))
        assert found.libxl is not None
        assert found.libxl.legacy is legacy


REFUSED: dict[str, tuple[tuple[Bits | bytes, ...], type[DomctxError], str]] = {
    "big-endian xl": ((xs.xl_header(order=0x04030201), b""), UnsupportedError, "big-endian machine"),
    "no byte order": ((xs.xl_header(order=5), b""), StreamError, "byte order is none"),
    "legacy xl": ((xs.xl_header(flags=0), b""), UnsupportedError, "convert-legacy-stream"),
    "flags": ((xs.xl_header(flags=6), b""), UnsupportedError, "mandatory flags"),
    "cut xl": ((b"Xen saved domain, xl format\n \0 \r",), StreamError, "in the header of xl"),
    "cut optional data": ((xs.xl_header(b"{}")[:3], b""), StreamError, "in xl's optional data"),
    "xl and nothing": ((xs.xl_header(),), StreamError, "the end of the file"),
    "xl and libxc": ((xs.xl_header(), xs.headers(1)), StreamError, "no libxl stream stands behind"),
    "cut libxl": ((b"LibxlFmt",), StreamError, "in the header of libxl"),
    "version of libxl": ((xs.libxl_header(version=1),), UnsupportedError, "expected 2, got 1"),
    "big-endian libxl": ((xs.libxl_header(options=1),), UnsupportedError, "libxl stream was written by a big-endian"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_headers_around_libxc_are_refused(name: str, tmp_path: Path) -> None:
    """By name, with the offset of what is wrong."""
    parts, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message) as caught:
        heads_of(tmp_path, *parts)
    assert caught.value.offset is not None


@pytest.mark.parametrize(("length", "config"), [(100 << 20, 0), (3, 0), (8, 5)])
def test_lengths_of_the_optional_data_are_bounded(length: int, config: int, tmp_path: Path) -> None:
    """Too long, too short for a length, and a configuration that reaches past it."""
    octets = b"Xen saved domain, xl format\n \0 \r" + struct.pack("<IIIII", 0x01020304, 2, 0, length, config) + bytes(8)
    with pytest.raises(StreamError, match=r"too long|reaches past"):
        heads_of(tmp_path, octets)


LIBXC: dict[str, tuple[Bits, type[DomctxError], str]] = {
    "no stream": ((xs.Bit(bytes(40)),), StreamError, "no libxc stream"),
    "cut": (xs.headers(1)[:1], StreamError, "in the headers of libxc"),
    "version": (xs.headers(1, version=5), UnsupportedError, "expected 2, 3, 4, got 5"),
    "big-endian": (xs.headers(1, options=1), UnsupportedError, "libxc stream was written by a big-endian"),
    "guest": (xs.headers(3), UnsupportedError, "type that is not known"),
    "pages": (xs.headers(1, shift=14), UnsupportedError, "pages of another size"),
}


@pytest.mark.parametrize("name", LIBXC)
def test_headers_of_libxc_are_refused(name: str, tmp_path: Path) -> None:
    """By name, with the offset of what is wrong."""
    bits, kind, message = LIBXC[name]
    file = open_file(str(made(bits).write(tmp_path)))
    with pytest.raises(kind, match=message) as caught:
        read_libxc(file, 0)
    file.close()
    assert caught.value.offset is not None


@pytest.mark.parametrize(("guest", "version"), [(1, 2), (1, 3), (2, 3), (2, 4)])
def test_headers_of_libxc_tell_guest_and_version(guest: int, version: int, tmp_path: Path) -> None:
    """PV or not, the version, and where the first record stands."""
    file = open_file(str(made(xs.headers(guest, version)).write(tmp_path)))
    found = read_libxc(file, 0)
    file.close()
    assert (found.pv, found.version, found.end) == (guest == 1, version, 40)
