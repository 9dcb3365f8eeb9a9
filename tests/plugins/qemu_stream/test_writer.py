"""Streams pulled from domains of every kind."""

from __future__ import annotations

import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from domctx.api import Machine
from domctx.errors import DomainError
from domctx.sinks import BytesSink
from domctx.states import DEVICES, FOREIGN_HEAD, FOREIGN_TAIL, MEMORY, PageBatch, PageKind
from domctx_qemu_stream.writer import write
from helpers import qemu_streams as qs
from helpers.qemu_corpus import memory_of, opened
from helpers.qemu_streams import PAGE
from helpers.qemu_writing import Held, context_of, domctx, head_with, octets_of, rewritten, through_an_image


def test_a_plain_stream_comes_back(tmp_path: Path) -> None:
    """Directly and through an image: octet for octet, with what stands behind it."""
    octets = qs.modern() + b"behind the stream"
    assert rewritten(octets, tmp_path) == octets
    path = qs.written(tmp_path, octets, "a.mig")
    assert through_an_image(path, tmp_path / "b.mig").read_bytes() == octets
    assert rewritten(octets[: -len(b"behind the stream")], tmp_path) == qs.modern()


def test_any_way_of_saving_gives_the_plain_stream(tmp_path: Path) -> None:
    """Rounds, differences, packed pages, parts, steering commands: the stream is that of a plain save."""
    old, new = qs.pages(7), qs.pages(2)
    rounds = (
        qs.data(3, qs.pages(9), "pc.ram") + qs.data(1, old) + qs.fill(2),
        qs.packed(0, qs.pages(1), "pc.ram") + qs.fill(3, 0xFF) + qs.packed(0, qs.pages(3), "pc.rom"),
        qs.delta(1, old, new, "pc.ram") + qs.fill(1, 0, "pc.rom"),
    )
    octets = qs.stream(
        qs.configuration(),
        qs.command(1) + qs.command(3, qs.u64(PAGE) * 2),
        qs.ram({"pc.ram": 4 * PAGE, "pc.rom": 2 * PAGE}, *rounds),
        qs.section(4, 0, qs.TIMER, "timer"),
        qs.section(4, 9, qs.GLOBAL, "globalstate"),
        qs.ending(qs.DESCRIBED),
    )
    assert rewritten(octets, tmp_path) == qs.modern()


def test_shared_memory_is_left_out_or_comes_from_its_file(tmp_path: Path) -> None:
    """Without its file the block is left out again; with it the stream is a plain one."""
    config = qs.configuration("pc-i440fx-7.2", qs.capabilities("x-ignore-shared"))
    blocks = qs.block_list({"m0": PAGE, "pc.bios": PAGE}, qs.u64(0xFFFC_0000))
    bios = qs.data(0, qs.pages(1), "pc.bios")

    def composed(config: bytes, blocks: bytes, records: bytes) -> bytes:
        return qs.stream(
            config,
            qs.section(1, 2, blocks + qs.EOF_WORD, "ram", 0, 4),
            qs.section(2, 2, records + qs.EOF_WORD),
            qs.section(3, 2, qs.EOF_WORD),
            qs.ending(),
        )

    octets = composed(config, blocks, bios)
    assert rewritten(octets, tmp_path) == octets
    context, sink, path = context_of("qemu"), BytesSink(), qs.written(tmp_path, octets)
    write(opened(path), sink, context)
    assert context._operation.notes[0].startswith("'m0': not in the stream")
    file = qs.written(tmp_path, qs.pages(5), "m0")
    plain = qs.block_list({"m0": PAGE, "pc.bios": PAGE})
    whole = composed(qs.configuration(), plain, qs.data(0, qs.pages(5), "m0") + bios)
    assert octets_of(opened(path, f"ram-file=m0={file}")) == whole
    assert octets_of(opened(path, f"ram-file={file}")) == whole


def test_a_source_that_passes_once_is_asked_in_its_own_order(tmp_path: Path) -> None:
    """Nothing is read at random from a domain whose pages come once."""
    domain = opened(qs.written(tmp_path, qs.modern()))
    memory = domain.state(MEMORY)
    assert memory is not None

    once = types.SimpleNamespace(blocks=memory.blocks, batches=memory.batches)
    assert octets_of(Held.of(domain, {MEMORY: once}, one_pass=True)) == qs.modern()


def test_devices_before_the_pages_are_pulled_first(tmp_path: Path) -> None:
    """A device that QEMU has to know before its memory stands before it again."""
    early = qs.section(4, 1, qs.TIMER, "timer")
    octets = qs.modern().replace(qs.section(4, 0, qs.TIMER, "timer"), b"")
    octets = octets.replace(b"\1\0\0\0\2", early + b"\1\0\0\0\2", 1)
    assert rewritten(octets, tmp_path) == octets
    domain = opened(qs.written(tmp_path, octets))
    with pytest.raises(DomainError, match="stands before the pages"):
        octets_of(Held.of(domain, {DEVICES: None}))


def test_blocks_that_no_guest_sees_may_be_absent(tmp_path: Path) -> None:
    """QEMU makes them when it starts: no page of theirs is written, and that is noted; of mapped ones none may lack."""
    domain = opened(qs.written(tmp_path, qs.modern()))
    memory = domain.state(MEMORY)
    assert memory is not None

    def lacking(name: str) -> types.SimpleNamespace:
        def read(block: int, first: int, count: int) -> PageBatch:
            if memory.blocks[block].name != name:
                return memory.read(block, first, count)
            return PageBatch(block, first, np.full(count, PageKind.ABSENT, np.uint8), np.empty((0, PAGE), np.uint8))

        batches = [read(index, 0, block.pages) for index, block in enumerate(memory.blocks)]
        return types.SimpleNamespace(blocks=memory.blocks, read=read, batches=lambda: iter(batches))

    context, sink = context_of("qemu"), BytesSink()
    write(Held.of(domain, {MEMORY: lacking("pc.rom")}), sink, context)
    assert sink.octets == qs.modern().replace(qs.data(0, qs.pages(3), "pc.rom") + qs.fill(1), b"")
    assert context._operation.notes == ["'pc.rom': not in the stream; QEMU makes what is not mapped when it starts"]
    with pytest.raises(DomainError, match=r"RAM block 'pc\.ram' is absent"):
        octets_of(Held.of(domain, {MEMORY: lacking("pc.ram")}))


def test_what_is_not_written_is_noted(tmp_path: Path) -> None:
    """Commands of an image that only steered a migration are named."""
    domain = opened(qs.written(tmp_path, qs.modern()))
    context, sink = context_of("qemu"), BytesSink()
    write(Held.of(domain, {FOREIGN_HEAD: head_with(domain, commands=qs.command(1))}), sink, context)
    assert context._operation.notes == ["commands that only steer a migration are not written: OPEN_RETURN_PATH"]
    assert sink.octets == qs.modern()


def test_a_stream_of_devices_comes_back(tmp_path: Path) -> None:
    """A stream without RAM, and without a description."""
    octets = qs.stream(qs.configuration(), qs.section(4, 1, qs.TIMER, "timer"), qs.ending())
    assert rewritten(octets, tmp_path) == octets


def test_what_never_was_qemus_is_refused(tmp_path: Path) -> None:
    """A domain without a head, or with another format's, is refused, and told what it can be written as."""
    domain = opened(qs.written(tmp_path, qs.modern()))
    for head in (None, head_with(domain, header=None)):
        with pytest.raises(DomainError, match="never was QEMU's") as caught:
            octets_of(Held.of(domain, {FOREIGN_HEAD: head}))
        assert "elf:" in str(caught.value)
    with pytest.raises(DomainError, match="never was QEMU's"):
        octets_of(Held(Machine("xen", "i386"), {}))


def test_a_domain_that_lost_something_is_refused(tmp_path: Path) -> None:
    """Devices that were dropped are named; without the tail the stream has no description, and is good."""
    domain = opened(qs.written(tmp_path, qs.modern()))
    with pytest.raises(DomainError, match="there is no section 'timer'"):
        octets_of(Held.of(domain, {DEVICES: None}))
    assert octets_of(Held.of(domain, {FOREIGN_TAIL: None})) == qs.modern(described_=False)


def test_nothing_is_left_where_a_stream_is_not_whole(tmp_path: Path) -> None:
    """A stream that is cut is not converted, and the goal does not appear."""
    path = qs.written(tmp_path, qs.modern()[:-100], "cut.mig")
    told = domctx("convert", str(path), f"qemu:{tmp_path / 'out.mig'}", expect=3)
    assert "ends early" in told
    assert [each.name for each in tmp_path.iterdir()] == ["cut.mig"]


RECORD = st.tuples(st.sampled_from(["data", "fill", "packed"]), st.integers(0, 1), st.integers(0, 9), st.integers(0, 5))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(RECORD, min_size=1, max_size=60), footer=st.booleans(), parts=st.integers(1, 3))
def test_what_is_written_is_what_was_read(
    records: list[tuple[str, int, int, int]], footer: bool, parts: int, tmp_path: Path
) -> None:
    """Any stream, written and read again, is the same memory, devices and tail; written once more, the same octets."""
    names, last = ("pc.ram", "second"), None
    found = [b""] * parts
    for place, (kind, block, page, seed) in enumerate(records):
        named = names[block] if block != last or place % len(records) < parts else None
        last = block
        body = {"data": qs.data, "packed": qs.packed}.get(kind)
        record = qs.fill(page, seed, named) if body is None else body(page, qs.pages(seed), named)
        found[place * parts // len(records)] += record
    octets = qs.stream(
        qs.configuration(),
        qs.ram(dict.fromkeys(names, 10 * PAGE), qs.data(0, qs.pages(8), "second"), *found, footer=footer),
        qs.section(4, 3, qs.TIMER, "timer", footer=footer),
        qs.ending(qs.DESCRIBED[:1]),
    )
    first = opened(qs.written(tmp_path, octets))
    pages = memory_of(first)
    again = octets_of(first)
    second = opened(qs.written(tmp_path, again, "again.mig"))
    assert second.elements.problem is None
    assert memory_of(second) == pages
    assert second.sections == first.sections
    assert octets_of(second) == again
