"""Streams that cannot be: every refusal, with its offset."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.errors import StreamError, UnsupportedError
from domctx.states import MEMORY
from helpers import qemu_streams as qs
from helpers.qemu_corpus import opened
from helpers.qemu_streams import PAGE

CONFIG = qs.configuration()
RAM_END = qs.section(3, 2, qs.EOF_WORD)
LIST = qs.block_list({"pc.ram": PAGE})


def start(words: bytes, version: int = 4) -> bytes:
    """A stream whose RAM section begins with ``words``."""
    return qs.stream(CONFIG, qs.section(1, 2, words + qs.EOF_WORD, "ram", 0, version), RAM_END, qs.ending())


HOSTILE = {
    "has a size that cannot be": start(qs.u64(PAGE | qs.MEM_SIZE) + qs.text("a") + qs.u64(1 << 63)),
    "more RAM than any machine": start(qs.u64(1 << 62 | qs.MEM_SIZE) + qs.text("a") + qs.u64(1 << 62)),
    "is listed twice": start(qs.u64(2 * PAGE | qs.MEM_SIZE) + (qs.text("a") + qs.u64(PAGE)) * 2),
    "has no whole pages": start(qs.u64(PAGE | qs.MEM_SIZE) + qs.text("a") + qs.u64(5)),
    "a page outside of RAM block": start(LIST + qs.fill(1, 0, "pc.ram")),
    "that is not listed": start(LIST + qs.fill(0, 0, "../x")),
    "before any block is named": start(LIST + qs.fill(0)),
    "flags that cannot be": start(LIST + qs.u64(0x400)),
    "packed as a whole": start(LIST + qs.u64(qs.FULL)),
    "told twice": start(LIST + LIST),
    "beginning that cannot be": start(LIST + qs.record(0, qs.XBZRLE, b"\x02\x00\x00", "pc.ram")),
    "at most 0x1000, got 0x01 0x1001": start(LIST + qs.record(0, qs.XBZRLE, b"\x01\x10\x01" + bytes(4097), "pc.ram")),
    "compressed page is too long": start(LIST + qs.record(0, qs.PACKED, qs.u32(5000) + bytes(5000), "pc.ram")),
    "has a version that is not known": start(LIST, 5),
    "has an id that was used": qs.stream(CONFIG, qs.ram({"a": PAGE}), qs.section(4, 2, b"", "timer"), qs.ending()),
    "goes on that never began": qs.stream(CONFIG, qs.section(2, 3, b""), qs.ending()),
    "of a kind that is not known": qs.stream(CONFIG, b"\x09"),
    "a command that is not known": qs.stream(CONFIG, qs.command(99), qs.ending()),
    "a package has no length": qs.stream(CONFIG, qs.command(7), qs.ending()),
    "footer of section 'ram' is wrong": qs.stream(
        CONFIG,
        qs.section(1, 2, LIST + qs.EOF_WORD, "ram", 0, 4),
        qs.section(3, 2, qs.EOF_WORD, footer=False) + b"\x09" * 5,
    ),
    "the stream ends before section 'ram' does": qs.stream(
        CONFIG, qs.section(1, 2, LIST + qs.EOF_WORD, "ram", 0, 4), qs.ending()
    ),
    "pages of another size": qs.stream(CONFIG, qs.ram({"a": PAGE}), qs.ending((), page_size=8192)),
    "no JSON object": qs.stream(CONFIG, qs.ram({"a": PAGE}), b"\x00\x06" + qs.u32(9) + b'{"a":[1]}'),
    "nests too deep": qs.stream(CONFIG, qs.ram({"a": PAGE}), b"\x00\x06" + qs.u32(400) + b'{"devices":' + b"[" * 389),
    "ends early, in the description": qs.stream(CONFIG, qs.ram({"a": PAGE}), b"\x00\x06" + qs.u32(400) + b'{"a":'),
    "is too long; expected at most": qs.stream(CONFIG, qs.ram({"a": PAGE}), b"\x00\x06" + qs.u32(1 << 31) + b'{"a":'),
}


@pytest.mark.parametrize("why", HOSTILE)
def test_hostile_streams_are_refused(why: str, tmp_path: Path) -> None:
    """Numbers, names and descriptions that cannot be are refused at their offset, and the machine can still be told."""
    domain = opened(qs.written(tmp_path, HOSTILE[why]))
    assert why in str(domain.elements.problem)
    assert domain.elements.problem is not None
    assert domain.elements.problem.offset is not None
    assert domain.machine.hypervisor == "qemu"
    domain.close()


PACKED_BADLY = {
    "cannot be unpacked": qs.record(0, qs.PACKED, qs.u32(4) + b"junk", "pc.ram"),
    "is not one page": qs.packed(0, b"short", "pc.ram"),
    "a run of new octets is empty": qs.record(0, qs.XBZRLE, b"\x01\x00\x03\x05\x00\x05", "pc.ram")
    + qs.data(1, qs.pages(1)),
    "a run of kept octets is empty": qs.record(0, qs.XBZRLE, b"\x01\x00\x06\x05\x01x\x00\x01x", "pc.ram"),
    "ends within a number": qs.record(0, qs.XBZRLE, b"\x01\x00\x01\x05", "pc.ram"),
    "longer than two octets": qs.record(0, qs.XBZRLE, b"\x01\x00\x03\x85\x85\x05", "pc.ram"),
    "new octets are missing": qs.record(0, qs.XBZRLE, b"\x01\x00\x03\x05\x05x", "pc.ram"),
    "behind the end of the page": qs.record(0, qs.XBZRLE, b"\x01\x00\x05\xff\x1f\x02xx", "pc.ram"),
}


@pytest.mark.parametrize("why", PACKED_BADLY)
def test_pages_that_cannot_be_unpacked_are_refused(why: str, tmp_path: Path) -> None:
    """A compressed page or a difference that cannot be is refused when memory is asked for."""
    octets = qs.stream(CONFIG, qs.ram({"pc.ram": 2 * PAGE}, PACKED_BADLY[why]), qs.ending())
    domain = opened(qs.written(tmp_path, octets))
    with pytest.raises(StreamError, match=why):
        domain.state(MEMORY)


HEADS = {
    "is no migration stream": b"QEVN\0\0\0\3",
    "version 2, as before 2009": b"QEVM\0\0\0\2",
    "of an unknown version": b"QEVM\0\0\0\4",
    "name is too long": b"QEVM\0\0\0\3\7" + qs.u32(1 << 30),
    "is there twice": qs.stream(qs.configuration("pc", *[qs.subsection("configuration/uuid", bytes(16))] * 2)),
    "is not known": qs.stream(qs.configuration("pc", qs.subsection("configuration/new", b""))),
    "with pages of another size": qs.stream(
        qs.configuration("virt", qs.subsection("configuration/target-page-bits", qs.u32(16)))
    ),
    "too many capabilities": qs.stream(
        qs.configuration("pc", qs.subsection("configuration/capabilities", qs.u32(1 << 31)))
    ),
    "the version of 'configuration/uuid' is wrong": qs.stream(
        qs.configuration("pc", qs.subsection("configuration/uuid", bytes(16), 2))
    ),
}


@pytest.mark.parametrize("why", HEADS)
def test_heads_that_cannot_be_are_refused(why: str, tmp_path: Path) -> None:
    """A file whose head is not that of a stream is not opened."""
    with pytest.raises((StreamError, UnsupportedError), match=why):
        opened(qs.written(tmp_path, HEADS[why]))
