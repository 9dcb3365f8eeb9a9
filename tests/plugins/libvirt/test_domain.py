"""libvirt save images."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from domctx.context import OpenContext, Operation
from domctx.errors import DomctxError
from domctx.states import FOREIGN_HEAD, FOREIGN_TAIL, MEMORY
from domctx_libvirt.domain import open_domain
from domctx_libvirt.plugin import OPTIONS
from domctx_memory.pages import whole
from helpers import qemu_streams as qs
from helpers.qemu_libvirt import COOKIE, XML, image, opened
from helpers.qemu_streams import PAGE

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def stored(octets: bytes) -> bytes:
    """A file of lzop with one block that is not packed."""
    head = b"\x89LZO\0\r\n\x1a\n\x10\x40\x20\xa0\x09\x40\1\5" + bytes(16) + qs.text("") + bytes(4)
    return head + qs.u32(len(octets)) * 2 + octets + qs.u32(0)


METHODS: dict[int, Callable[[bytes], bytes]] = {
    0: bytes,
    1: gzip.compress,
    2: bz2.compress,
    3: lzma.compress,
    4: stored,
    5: zstd.compress,
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_images_are_opened(method: int, order: str, tmp_path: Path) -> None:
    """Raw and packed images of either byte order give the stream, the XML, the cookie and what libvirt tells."""
    domain = opened(tmp_path, image(METHODS[method](qs.plain()), method, order=order))
    assert (domain.machine.name, domain.machine.run_state) == ("g&1", "running")
    assert domain.machine.uuid == "391d6b15-1b83-484d-b3ca-aca927322a65"
    head, memory = domain.state(FOREIGN_HEAD), domain.state(MEMORY)
    assert head is not None
    parts = {(part.format, part.name): part.octets for part in head.parts}
    assert parts["libvirt", "xml"] == XML
    assert parts["libvirt", "cookie"] == COOKIE
    assert len(parts["libvirt", "header"]) == 92
    assert ("libvirt", "data") not in parts
    assert ("qemu", "header") in parts
    assert memory is not None
    assert whole(memory.read(0, 0, 2), PAGE).tobytes() == qs.pages(1, 2)
    assert domain.state(FOREIGN_TAIL) is not None
    domain.close()


@pytest.mark.parametrize("method", list(METHODS)[1:])
@pytest.mark.parametrize("behind", [b"", b"junk", bytes(512)])
def test_packed_parts_that_follow_each_other_count(method: int, behind: bytes, tmp_path: Path) -> None:
    """As they do for gzip, bzip2, xz, lzop and zstd themselves; what stands behind the last is told."""
    stream, pack = qs.plain(), METHODS[method]
    packed = pack(stream[:5000]) + pack(stream[5000:]) + behind
    path = qs.written(tmp_path, image(packed, method), "vm.save")
    operation = Operation()
    domain = open_domain(str(path), OpenContext(operation, OPTIONS, {}))
    memory = domain.state(MEMORY)
    assert memory is not None
    assert whole(memory.read(0, 0, 2), PAGE).tobytes() == qs.pages(1, 2)
    assert domain.file.read(0, len(stream) + 1) == stream
    told = [note for note in operation.notes if "behind what is packed" in note]
    assert [f"0x{len(behind):x} octets" in note for note in told] == ([True] if behind else [])
    domain.close()


def test_what_zstd_skips_is_passed_over(tmp_path: Path) -> None:
    """A frame of something else may stand before the stream, between its parts, and behind it."""
    frame = b"\x5a\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    packed = frame + zstd.compress(qs.plain()) + frame
    domain = opened(tmp_path, image(packed, 5))
    assert domain.file.read(0, 1 << 20) == qs.plain()
    domain.close()


def test_an_old_image_is_never_packed(tmp_path: Path) -> None:
    """In version 1 the field that tells of packing means nothing; a paused domain without a cookie."""
    domain = opened(tmp_path, image(qs.plain(), 77, version=1, cookie=b"", running=0))
    assert domain.machine.run_state == "paused"
    assert domain.state(MEMORY) is not None


def test_what_stands_behind_the_xml_is_kept(tmp_path: Path) -> None:
    """Octets that are neither XML nor cookie nor zeros are not lost."""
    octets = image(qs.plain())
    domain = opened(tmp_path, octets.replace(bytes(101), bytes(1) + b"x" * 100, 1))
    head = domain.state(FOREIGN_HEAD)
    assert head is not None
    assert [part.name for part in head.parts][:4] == ["header", "xml", "cookie", "data"]


def test_an_image_that_was_never_finished_refuses(tmp_path: Path) -> None:
    """An image with the mark of an unfinished save says what it holds, and gives no memory."""
    domain = opened(tmp_path, image(qs.plain(), magic=b"LibvirtQemudPart"))
    assert domain.machine.blocks
    with pytest.raises(DomctxError, match="marked as incomplete"):
        domain.state(MEMORY)
    with pytest.raises(DomctxError, match="marked as incomplete"):
        domain.state(FOREIGN_TAIL)


BAD = {
    "is no libvirt image": image(qs.plain(), magic=b"LibvirtQemudSafe"),
    "of an unknown version": image(qs.plain(), version=0),
    "packed in an unknown way": image(qs.plain(), 7),
    "a length that cannot be": image(qs.plain(), length=0),
    "a length that cannot be; got 0x7fffffff": image(qs.plain(), length=0x7FFFFFFF),
    "a length that cannot be; got 0x0000": image(qs.plain(), offset=0xFFFF),
    "ends early, in the XML": image(b"", length=0x10000),
    "no file of lzop": image(qs.plain(), 4),
    "part of the file ends early": image(gzip.compress(qs.plain())[:-20], 1),
    "cannot be unpacked": image(b"no gzip at all", 1),
    "xz part of the file cannot be unpacked": image(b"no xz at all", 3),
    "unpacks to more than its RAM": image(gzip.compress(bytes(80 << 20)), 1),
    "is no migration stream": image(b"QEVN" + qs.plain()[4:]),
}


@pytest.mark.parametrize("why", BAD)
def test_images_that_cannot_be_are_refused(why: str, tmp_path: Path) -> None:
    """Headers, lengths and packed parts that cannot be are refused; a bomb is stopped where its RAM should end."""
    with pytest.raises(DomctxError, match=why):
        opened(tmp_path, BAD[why])


def test_a_stream_tells_how_long_it_may_be(tmp_path: Path) -> None:
    """What is unpacked is bounded by the RAM that the stream's head tells of, commands before it passed over."""
    many = 2000
    part = b"".join(qs.data(page, qs.pages(page), None if page else "pc.ram") for page in range(many))
    good = qs.stream(qs.configuration(), qs.command(1), qs.ram({"pc.ram": many * PAGE}, part), qs.ending())
    assert opened(tmp_path, image(gzip.compress(good, 1), 1)).state(MEMORY) is not None
    bomb = gzip.compress(good[: 3 << 20] + bytes(90 << 20), 1)
    with pytest.raises(DomctxError, match="unpacks to more than its RAM"):
        opened(tmp_path, image(bomb, 1))
