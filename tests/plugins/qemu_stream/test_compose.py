"""A stream composed piece by piece, as its pieces come."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from domctx.api import RamBlock
from domctx.errors import DomainError
from domctx.sinks import BytesSink
from domctx.states import DEVICES, FOREIGN_HEAD, FOREIGN_TAIL, MEMORY, DeviceSection, ForeignPart, PageBatch, PageKind
from domctx_qemu_stream.compose import Composer
from domctx_qemu_stream.domain import QemuDomain
from helpers import qemu_streams as qs
from helpers.qemu_corpus import memory_of, opened
from helpers.qemu_streams import PAGE

BLOCKS = (RamBlock("pc.ram", 4 * PAGE), RamBlock("pc.rom", 2 * PAGE))
SWITCHOVER = qs.command(11)


class Pieces:
    """What an opened stream holds, and a composer that is fed with it."""

    def __init__(
        self, domain: QemuDomain, shared: Collection[str] = (), addresses: Sequence[int] | None = None
    ) -> None:
        head, tail = domain.state(FOREIGN_HEAD), domain.state(FOREIGN_TAIL)
        memory, devices = domain.state(MEMORY), domain.state(DEVICES)
        assert head is not None
        assert memory is not None
        self.sink = BytesSink()
        self.head, self.memory = head.parts, memory
        self.tail = list(tail.parts) if tail is not None else []
        self.devices = list(devices.sections) if devices is not None else []
        self.composer = Composer(self.sink, memory.blocks, head.parts, shared=shared, addresses=addresses)

    def pages(self, step: int = 1024) -> Pieces:
        """Give all pages."""
        for batch in self.memory.batches(step):
            self.composer.pages(batch)
        return self

    def rest(self) -> bytes:
        """Give everything else; the stream."""
        for section in self.devices[self.composer.early :]:
            self.composer.device(section)
        for part in self.tail:
            self.composer.tail(part)
        self.composer.finish()
        return bytes(self.sink.octets)


def pieces_of(
    folder: Path, octets: bytes, shared: Collection[str] = (), addresses: Sequence[int] | None = None
) -> Pieces:
    """The pieces of a stream."""
    return Pieces(opened(qs.written(folder, octets)), shared, addresses)


@pytest.mark.parametrize("footer", [True, False])
@pytest.mark.parametrize("config", [qs.configuration(), b""])
@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize("step", [1, 3, 1024])
def test_a_plain_stream_comes_back(footer: bool, config: bytes, described: bool, step: int, tmp_path: Path) -> None:
    """With and without footers, configuration and description, however its pages are cut: octet for octet."""
    octets = qs.modern(footer=footer, config=config, described_=described)
    pieces = pieces_of(tmp_path, octets)
    assert pieces.composer.notes == ()
    assert pieces.composer.early == 0
    assert pieces.pages(step).rest() == octets


def test_what_is_given_is_written_at_once(tmp_path: Path) -> None:
    """Pages are in the sink when ``pages`` returns, devices when ``device`` does, and EOF comes last of all."""
    octets = qs.modern(SWITCHOVER)
    pieces = pieces_of(tmp_path, octets)
    assert not pieces.sink.octets
    pieces.pages()
    assert octets.startswith(pieces.sink.octets)
    assert pieces.sink.octets.endswith(qs.fill(1))
    pieces.composer.device(pieces.devices[0])
    assert octets.startswith(pieces.sink.octets)
    assert qs.TIMER in pieces.sink.octets
    pieces.composer.device(pieces.devices[1])
    for part in pieces.tail:
        pieces.composer.tail(part)
    pieces.composer.settle()
    pieces.composer.settle()
    assert octets[: len(pieces.sink.octets)] == pieces.sink.octets
    assert octets[len(pieces.sink.octets) :].startswith(qs.ending(qs.DESCRIBED))
    pieces.composer.finish()
    assert pieces.sink.octets == octets


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)), cuts=st.sets(st.integers(1, 5)))
def test_pages_may_come_in_any_order(order: list[int], cuts: set[int], tmp_path: Path) -> None:
    """Pages are given one by one or in runs, of blocks by turns: read again they are the same memory."""
    pieces = pieces_of(tmp_path, qs.modern())
    for place in order:
        block, first = divmod(place, 4)
        pieces.composer.pages(pieces.memory.read(block, first, 1))
    again = opened(qs.written(tmp_path, pieces.rest(), "again.mig"))
    assert again.elements.problem is None
    assert memory_of(again) == [qs.pages(1, 2) + bytes(PAGE) + b"\xff" * PAGE, qs.pages(3) + bytes(PAGE)]


def test_sections_that_go_on_come_back(tmp_path: Path) -> None:
    """Disks and bitmaps keep their parts and their order, also empty ones; they follow the pages."""
    setup = (qs.section(1, 1, qs.u64(2), "block"), qs.section(1, 3, b"\1", "dirty-bitmap"))
    blocks = qs.block_list({"pc.ram": PAGE}) + qs.EOF_WORD
    parts = (
        qs.section(2, 1, qs.u64(9 << 9 | 4) + qs.u64(2)),
        qs.section(2, 3, b"\1") * 3,
        qs.section(2, 1, qs.u64(2)),
    )
    ends = (qs.section(3, 1, qs.u64(2)), qs.section(3, 2, qs.EOF_WORD), qs.section(3, 3, b""))
    octets = qs.stream(
        qs.configuration(),
        setup[0],
        qs.section(1, 2, blocks, "ram", 0, 4),
        setup[1],
        qs.section(2, 2, qs.data(0, qs.pages(1), "pc.ram") + qs.EOF_WORD),
        *parts,
        SWITCHOVER,
        *ends,
        qs.section(4, 4, qs.TIMER, "timer"),
        qs.ending(qs.DESCRIBED[:1]),
    )
    assert pieces_of(tmp_path, octets).pages().rest() == octets


def test_devices_that_stand_before_the_pages(tmp_path: Path) -> None:
    """A device that QEMU has to know before its memory is given first, and refused where it is not."""
    early = qs.section(4, 1, qs.TIMER, "timer")
    octets = (
        qs.modern().replace(qs.section(4, 0, qs.TIMER, "timer"), b"").replace(b"\1\0\0\0\2", early + b"\1\0\0\0\2", 1)
    )
    pieces = pieces_of(tmp_path, octets)
    assert pieces.composer.early == 1
    with pytest.raises(DomainError, match="section 'timer' stands before the pages"):
        pieces.pages()
    again = pieces_of(tmp_path, octets)
    again.composer.device(again.devices[0])
    assert again.pages().rest() == octets
    last = pieces_of(tmp_path, octets)
    with pytest.raises(DomainError, match="section 'timer' stands before the pages"):
        last.composer.settle()


def test_a_flat_stream_comes_back(tmp_path: Path) -> None:
    """RAM of version 3, without a list of blocks."""
    total = qs.u64(2 * PAGE | qs.MEM_SIZE) + qs.EOF_WORD
    records = qs.u64(qs.DATA) + qs.pages(5) + qs.u64(PAGE | qs.ZERO) + b"\0" + qs.EOF_WORD
    octets = qs.stream(
        qs.section(1, 1, total, "ram", 0, 3, footer=False),
        qs.section(2, 1, records, footer=False),
        qs.section(3, 1, qs.EOF_WORD, footer=False),
        qs.ending(),
    )
    assert pieces_of(tmp_path, octets).pages().rest() == octets


def test_a_way_of_saving_is_left_behind(tmp_path: Path) -> None:
    """Capabilities and commands that say how a machine was saved are not written, and are told."""
    pieces = pieces_of(tmp_path, qs.modern())
    config = qs.configuration("pc-i440fx-7.2", qs.capabilities("x-ignore-shared", "mapped-ram"))
    head = [*pieces.head, ForeignPart("qemu", "commands", qs.command(1) + SWITCHOVER + qs.command(99))]
    changed = [ForeignPart("qemu", "configuration", config) if part.name == "configuration" else part for part in head]
    pieces.composer = Composer(pieces.sink, BLOCKS, changed)
    capabilities, commands = pieces.composer.notes
    assert capabilities.endswith("x-ignore-shared, mapped-ram: all pages are in it")
    assert commands.endswith("not written: OPEN_RETURN_PATH, 0x0063")
    assert pieces.pages().rest() == qs.modern(SWITCHOVER)


def test_blocks_may_be_left_out(tmp_path: Path) -> None:
    """Of blocks that QEMU has in shared memory no page is written; the capability and all addresses are."""
    pieces = pieces_of(tmp_path, qs.modern(), shared={"pc.ram"}, addresses=[0, 0xC_0000])
    assert pieces.composer.notes == ()
    with pytest.raises(DomainError, match="has contents, while others of its block are absent"):
        pieces.pages()
    absent = PageBatch(0, 0, np.full(4, PageKind.ABSENT, np.uint8), np.empty((0, PAGE), np.uint8))
    pieces.composer.pages(absent)
    pieces.composer.pages(pieces.memory.read(1, 0, 2))
    domain = opened(qs.written(tmp_path, pieces.rest(), "again.mig"))
    assert domain.elements.problem is None
    assert domain.elements.configuration.capabilities == ("x-ignore-shared",)
    assert domain.elements.ram is not None
    assert [block.address for block in domain.elements.ram.blocks] == [0, 0xC_0000]
    assert Pieces(domain, shared={"pc.ram"}).pages().rest() == pieces.sink.octets
    with pytest.raises(DomainError, match="nothing tells where its region stands"):
        Composer(BytesSink(), BLOCKS, pieces.head, shared={"pc.ram"})


def test_ram_that_came_another_way_gets_a_section(tmp_path: Path) -> None:
    """Where the stream had devices only, and memory came beside it, a RAM section stands before them."""
    devices = qs.section(4, 0, qs.TIMER, "timer")
    octets = qs.stream(qs.configuration(), devices, qs.ending(qs.DESCRIBED[:1]))
    domain = opened(qs.written(tmp_path, octets))
    head, sections = domain.state(FOREIGN_HEAD), domain.state(DEVICES)
    assert head is not None
    assert sections is not None
    sink = BytesSink()
    composer = Composer(sink, [RamBlock("pc.ram", PAGE)], head.parts)
    composer.pages(PageBatch(0, 0, np.zeros(1, np.uint8), np.ones((1, PAGE), np.uint8)))
    composer.device(sections.sections[0])
    composer.finish()
    body = qs.section(2, 1, qs.data(0, b"\1" * PAGE, "pc.ram") + qs.EOF_WORD) + qs.section(3, 1, qs.EOF_WORD)
    start = qs.section(1, 1, qs.block_list({"pc.ram": PAGE}) + qs.EOF_WORD, "ram", 0, 4)
    assert sink.octets == qs.stream(qs.configuration(), start, body, devices, b"\0")
    nothing = BytesSink()
    composer = Composer(nothing, (), head.parts)
    composer.device(sections.sections[0])
    composer.finish()
    assert nothing.octets == qs.stream(qs.configuration(), devices, b"\0")


def late_pages(pieces: Pieces) -> None:
    pieces.pages().composer.device(pieces.devices[0])
    pieces.pages()


def strange_device(pieces: Pieces) -> None:
    pieces.composer.device(DeviceSection("timer", 0, 77, b""))


def too_many_devices(pieces: Pieces) -> None:
    for section in [*pieces.devices, pieces.devices[-1]]:
        pieces.composer.device(section)


def missing_device(pieces: Pieces) -> None:
    pieces.composer.device(pieces.devices[0])
    pieces.composer.finish()


def strange_tail(pieces: Pieces) -> None:
    pieces.composer.tail(ForeignPart("qemu", "something new", b""))


def no_such_block(pieces: Pieces) -> None:
    pieces.composer.pages(PageBatch(2, 0, np.ones(1, np.uint8), np.empty((0, PAGE), np.uint8)))


def outside(pieces: Pieces) -> None:
    pieces.composer.pages(PageBatch(1, 1, np.ones(2, np.uint8), np.empty((0, PAGE), np.uint8)))


def absent(pieces: Pieces) -> None:
    kinds = np.array([PageKind.ZERO, PageKind.ABSENT], np.uint8)
    pieces.composer.pages(PageBatch(1, 0, kinds, np.empty((0, PAGE), np.uint8)))


MISTAKES: dict[str, Callable[[Pieces], None]] = {
    "pages come behind what stands behind all pages": late_pages,
    "expected 'timer', instance 0, version 1, got 'timer', instance 0, version 77": strange_device,
    "expected no section more, got 'globalstate'": too_many_devices,
    "there is no section 'globalstate', which the stream had": missing_device,
    "a part 'something new' of a stream is not known": strange_tail,
    "there is no such RAM block; expected below 2, got 2": no_such_block,
    "pages outside of RAM block 'pc.rom'": outside,
    "page 0x1 of RAM block 'pc.rom' is absent": absent,
}


@pytest.mark.parametrize("why", MISTAKES)
def test_what_does_not_fit_is_refused(why: str, tmp_path: Path) -> None:
    """Pieces that are not those of the stream whose head is kept."""
    with pytest.raises(DomainError, match=why):
        MISTAKES[why](pieces_of(tmp_path, qs.modern()))


def test_parts_of_other_formats_are_passed_over(tmp_path: Path) -> None:
    """What stood behind the stream, and what belongs to another format, is no part of the stream."""
    pieces = pieces_of(tmp_path, qs.modern())
    pieces.tail += [ForeignPart("libvirt", "anything", b"x"), ForeignPart("qemu", "behind the stream", b"x")]
    assert pieces.pages().rest() == qs.modern()
