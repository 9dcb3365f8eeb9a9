"""LZO1X and the files of lzop."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from domctx.errors import DomctxError, StreamError
from domctx_libvirt.lzo import MAGIC, blocks, unpack
from domctx_qemu_stream.files import open_file
from helpers import qemu_streams as qs

PLAIN = (
    b"".join(b"%d " % (number * number % 97) for number in range(60))
    + bytes(3000)
    + b"abcabcabcd" * 9
    + bytes(range(60)) * 2
    + bytes(20000)
    + bytes(range(60, 0, -1))
    + bytes(range(60))
)
PACKED = bytes.fromhex(
    "894c5a4f000d0a1a0a104020a0094003090300000d000000006b01224f0000000000265d025300005bcd000001a4536e5cd83f302031"
    "2034203920313620323520333620343920363420383120332032342034372037322032203331203632203947043320374f0632203501"
    "023954054c0740084d01340504300a0d20360908320d0c380102350104320509385409490935050c310f023620364506380b03322031"
    "46052039090d3805063709083755003388009801500249033670044805400658065107002000000000000000e6000020000000990300"
    "616263a90064202f2400002a000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526272829"
    "2a2b2c2d2e2f303132333435363738393a3b201cec002000000000000000e600002000000000000000e600002000000000000000e600"
    "002000000000000000e600002000000000000000e600002000000000000000e600002000000000000000e600002000000000000000e6"
    "00002000000000000000e6000020000000000000040000002a3c3b3a393837363534333231302f2e2d2c2b2a29282726252423222120"
    "1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a0908070605040302011033603a11000000000000"
)
"""PLAIN as lzop 1.04 packs it with -9."""


def lzop(*parts: bytes, flags: int = 0, version: int = 0x1040, method: int = 1, extra: bytes = b"") -> bytes:
    """A file of lzop: a header, and blocks as they are given."""
    new = version >= 0x0940
    head = struct.pack(">HH", version, 0x20A0) + (struct.pack(">H", 0x0940) if new else b"") + bytes((method,))
    head += b"\5" * new + qs.u32(flags | 0x40 * bool(extra)) + bytes(12 if new else 8) + qs.text("name") + qs.u32(0)
    return MAGIC + head + (qs.u32(len(extra)) + extra + qs.u32(0) if extra else b"") + b"".join(parts) + qs.u32(0)


def block(octets: bytes, packed: bytes, *checks: int) -> bytes:
    """A block with its checksums."""
    return qs.u32(len(octets)) + qs.u32(len(packed)) + b"".join(map(qs.u32, checks)) + packed


def read(folder: Path, octets: bytes) -> bytes:
    """What a file of lzop unpacks to."""
    file = open_file(str(qs.written(folder, octets, "file.lzo")))
    try:
        return b"".join(blocks(file, 0))
    finally:
        file.close()


def test_what_lzop_packed_is_unpacked(tmp_path: Path) -> None:
    """A file that lzop itself wrote."""
    assert read(tmp_path, PACKED) == PLAIN


NEW = b"\x13ab"
"""Two new octets, at the beginning of a block."""
END = b"\x11\0\0"


@pytest.mark.parametrize(
    ("packed", "octets"),
    [
        (b"\x16abcde" + END, b"abcde"),
        (b"\x00\x01" + b"x" * 19 + END, b"x" * 19),
        (b"\x00\x00\x01" + b"y" * 274 + END, b"y" * 274),
        (NEW + b"\x04\x00" + END, b"abab"),
        (b"\x16abcde" + b"\x40\x00" + END, b"abcdeeee"),
        (b"\x16abcde" + b"\xe1\x00Z" + END, b"abcdeeeeeeeeeZ"[:5] + b"e" * 8 + b"Z"),
        (b"\x16abcde" + b"\x20\x01\x10\x00" + END, b"abcde" + (b"abcde" * 9)[:34]),
    ],
)
def test_instructions(packed: bytes, octets: bytes) -> None:
    """New octets of all lengths, and copies of each kind."""
    assert unpack(packed, len(octets), 0) == octets


def test_headers_and_checksums(tmp_path: Path) -> None:
    """Old headers, extra fields, blocks that are not packed, and both kinds of checksums before and after packing."""
    octets = b"abcde" * 1000
    checks = zlib.adler32(octets), zlib.crc32(octets)
    whole = block(octets, octets, *checks)
    assert read(tmp_path, lzop(whole, whole, flags=0x303, extra=b"more")) == octets * 2
    small = block((b"abcde" * 8)[:39], b"\x16abcde" + b"\x20\x01\x10\x00" + END, 1, 2)
    assert read(tmp_path, lzop(small, flags=0x202, version=0x0930)) == (b"abcde" * 8)[:39]


BAD = {
    "no file of lzop": b"\x89LZP\0\r\n\x1a\n" + bytes(40),
    "packed in another way": lzop(method=9),
    "has a size that cannot be": lzop(qs.u32(1 << 31) + qs.u32(5)),
    "wrong checksum": lzop(block(b"abc", b"abc", 7), flags=1),
    "cannot be unpacked": lzop(block(bytes(100), b"\x16abcde" + b"\x40\x10" + END)),
    "not as long as it says": lzop(block(bytes(100), b"\x16abcde" + END)),
    "ends early": lzop(block(b"abc", b"abc"))[:-5],
}


@pytest.mark.parametrize("why", BAD)
def test_files_that_cannot_be_are_refused(why: str, tmp_path: Path) -> None:
    """Headers, sizes, checksums and instructions that cannot be."""
    with pytest.raises(DomctxError, match=why):
        read(tmp_path, BAD[why])


@given(st.binary(max_size=60), st.integers(0, 200))
def test_anything_unpacks_or_is_refused(packed: bytes, size: int) -> None:
    """No block makes the reader fail, or makes more of it than it says."""
    try:
        assert len(unpack(packed, size, 0)) == size
    except StreamError:
        return


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(PACKED) - 1), bit=st.integers(0, 7))
def test_flipped_bits_are_found_or_harmless(place: int, bit: int, tmp_path: Path) -> None:
    """A flipped bit is refused by structure or checksum, or stands in what nobody reads."""
    octets = bytearray(PACKED)
    octets[place] ^= 1 << bit
    try:
        assert read(tmp_path, bytes(octets)) in (PLAIN, b"")
    except DomctxError:
        return
