"""A stream as a Domain: synthetic streams, composed from the reference."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from domctx.api import StateKey
from domctx.errors import DomainError, StreamError, UnsupportedError, UsageError
from domctx.files import CutError
from domctx.states import CLOCK, DEVICES, FOREIGN_HEAD, FOREIGN_TAIL, MEMORY, PageBatch, PageKind
from domctx_memory.pages import whole
from domctx_qemu_stream.domain import Given, QemuDomain
from domctx_qemu_stream.files import open_file
from helpers import qemu_streams as qs
from helpers.qemu_corpus import memory_of, opened, problem_of
from helpers.qemu_streams import PAGE
from helpers.qemu_writing import octets_of


@pytest.mark.parametrize("footer", [True, False])
@pytest.mark.parametrize("config", [True, False])
@pytest.mark.parametrize("described", [True, False])
def test_a_whole_stream(footer: bool, config: bool, described: bool, tmp_path: Path) -> None:
    """Memory, devices and the rest come out of a stream with and without configuration, footers and description."""
    path = qs.written(tmp_path, qs.plain(footer=footer, config=config, described_=described))
    domain = opened(path)
    assert domain.elements.problem is None
    assert domain.elements.footers is footer
    assert memory_of(domain) == [qs.pages(1, 2) + bytes(PAGE) + b"\xff" * PAGE, qs.pages(3) + bytes(PAGE)]
    devices = domain.state(DEVICES)
    assert devices is not None
    assert [(section.name, section.octets) for section in devices.sections] == [
        ("timer", qs.TIMER),
        ("globalstate", qs.GLOBAL),
    ]
    assert (devices.sections[0].description is not None) is described
    assert domain.machine.run_state == "running"
    assert domain.machine.name == ("pc-i440fx-7.2" if config else "isapc")
    domain.close()


def test_the_head_and_the_tail_are_kept(tmp_path: Path) -> None:
    """Header, configuration, commands and section headers before; the description and what follows it behind."""
    command = qs.command(11)
    octets = qs.plain().replace(qs.section(3, 2, qs.EOF_WORD), command + qs.section(3, 2, qs.EOF_WORD))
    domain = opened(qs.written(tmp_path, octets + b"trailing"))
    head, tail = domain.state(FOREIGN_HEAD), domain.state(FOREIGN_TAIL)
    assert head is not None
    assert tail is not None
    parts = {part.name: part.octets for part in head.parts}
    assert parts["header"] == b"QEVM\0\0\0\3"
    assert parts["configuration"] == qs.configuration()
    assert parts["commands"] == command
    assert parts["sections"].startswith(qs.section(1, 2, b"", "ram", 0, 4))
    assert {part.name: part.octets for part in tail.parts}["behind the stream"] == b"trailing"
    assert len(tail.parts[0:2]) == 2
    assert tail.parts[0].octets in octets
    assert any("stand behind the end" in note for note in notes_of(domain))
    with pytest.raises(DomainError):
        tail.store(tail.parts[0])


def notes_of(domain: QemuDomain) -> list[str]:
    """What the domain told while it was opened."""
    found: list[str] = []
    again = QemuDomain(domain.file, found.append)
    _ = again.elements
    return found


def test_states_that_there_are_not(tmp_path: Path) -> None:
    """A state that a stream does not hold is None, and a file that does not run is neither stopped nor continued."""
    domain = opened(qs.written(tmp_path, qs.plain()))
    domain.pause()
    domain.unpause()
    missing: StateKey[object] = StateKey("nothing")
    assert domain.state(missing) is None
    assert domain.state(CLOCK) is None
    assert [key.name for key in domain.owned_states()] == ["foreign_head", "memory", "devices", "foreign_tail"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rounds=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["data", "fill", "packed", "delta"]),
                st.integers(0, 1),
                st.integers(0, 9),
                st.integers(0, 5),
            ),
            max_size=40,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_the_last_record_of_a_page_counts(rounds: list[list[tuple[str, int, int, int]]], tmp_path: Path) -> None:
    """Whatever records come in whatever order and rounds, memory is what a page-by-page reading gives."""
    names = ("pc.ram", "second")
    model: dict[tuple[int, int], bytes] = {}
    parts, last = [], None
    for records in rounds:
        part = b""
        for kind, block, page, seed in records:
            named = names[block] if block != last else None
            old, new = model.get((block, page), bytes(PAGE)), qs.pages(seed)
            last = block
            if kind == "fill":
                new = bytes((seed,)) * PAGE
                part += qs.fill(page, seed, named)
            elif kind == "data":
                part += qs.data(page, new, named)
            elif kind == "packed":
                part += qs.packed(page, new, named)
            else:
                new = bytes(octet ^ (place % 997 == seed) for place, octet in enumerate(old))
                part += qs.delta(page, old, new, named)
            model[block, page] = new
        parts.append(part)
    octets = qs.stream(qs.configuration(), qs.ram(dict.fromkeys(names, 10 * PAGE), *parts), qs.ending())
    carried = any(kind != "fill" for records in rounds for kind, *_ in records)
    domain = opened(qs.written(tmp_path, octets))
    assert domain.elements.problem is None
    if carried:
        found = memory_of(domain)
        assert found == [b"".join(model.get((b, page), bytes(PAGE)) for page in range(10)) for b in range(2)]
        memory = domain.state(MEMORY)
        assert memory is not None
        assert whole(memory.read(1, 3, 5), PAGE).tobytes() == found[1][3 * PAGE : 8 * PAGE]
    domain.close()


def test_long_runs_are_found_at_once(tmp_path: Path) -> None:
    """Thousands of pages in a row are one run, and are read as they stand."""
    count = 3000
    octets = qs.pages(*range(count))
    part = qs.data(0, octets[:PAGE], "pc.ram")
    part += b"".join(qs.data(page, octets[page * PAGE : (page + 1) * PAGE]) for page in range(1, count))
    part += b"".join(qs.fill(page) for page in range(count, 2 * count))
    domain = opened(
        qs.written(tmp_path, qs.stream(qs.configuration(), qs.ram({"pc.ram": 2 * count * PAGE}, part), qs.ending()))
    )
    assert domain.elements.ram is not None
    assert len(domain.elements.ram.runs[0]) == 2
    memory = domain.state(MEMORY)
    assert memory is not None
    assert whole(memory.read(0, 0, 2 * count), PAGE).tobytes() == octets + bytes(count * PAGE)
    with pytest.raises(DomainError):
        memory.read(0, 2 * count, 1)
    with pytest.raises(DomainError):
        memory.read(1, 0, 1)
    with pytest.raises(DomainError):
        memory.store(memory.read(0, 0, 1))


def test_ram_of_version_3_is_flat(tmp_path: Path) -> None:
    """Without a list of blocks all addresses lie in one block, and records have no names."""
    total = qs.u64(4 * PAGE | qs.MEM_SIZE) + qs.EOF_WORD
    records = qs.u64(PAGE | qs.DATA) + qs.pages(5) + qs.u64(2 * PAGE | qs.DATA) + qs.pages(6)
    records += qs.u64(3 * PAGE | qs.ZERO) + b"\7" + qs.EOF_WORD
    octets = qs.stream(
        qs.section(1, 1, total, "ram", 0, 3, footer=False),
        qs.section(3, 1, records, footer=False),
        qs.ending(),
    )
    domain = opened(qs.written(tmp_path, octets))
    assert domain.elements.problem is None
    assert memory_of(domain) == [bytes(PAGE) + qs.pages(5, 6) + b"\7" * PAGE]


def test_a_package_is_elements(tmp_path: Path) -> None:
    """What a postcopy package holds is read as if it stood in the stream itself."""
    device = qs.section(4, 7, qs.TIMER, "timer")
    advise = qs.command(3, qs.u64(PAGE) + qs.u64(PAGE))
    huge = qs.section(
        1, 2, qs.u64(PAGE | qs.MEM_SIZE) + qs.text("m0") + qs.u64(PAGE) + qs.u64(1 << 21) + qs.EOF_WORD, "ram", 0, 4
    )
    octets = qs.stream(
        qs.configuration(),
        advise,
        huge,
        qs.command(7, qs.u32(len(device))) + device,
        qs.section(2, 2, qs.data(0, qs.pages(1), "m0") + qs.EOF_WORD),
        qs.section(3, 2, qs.EOF_WORD),
        qs.ending(),
    )
    domain = opened(qs.written(tmp_path, octets))
    assert domain.elements.problem is None
    assert [section.name for section in domain.sections] == ["timer"]
    assert domain.elements.ram is not None
    assert domain.elements.ram.blocks[0].page_size == 1 << 21
    assert memory_of(domain) == [qs.pages(1)]


def test_shared_memory_is_absent(tmp_path: Path) -> None:
    """With x-ignore-shared a block without records is absent, not zero; blocks tell their addresses."""
    config = qs.configuration("pc-i440fx-7.2", qs.capabilities("x-ignore-shared"))
    blocks = qs.block_list({"m0": PAGE, "pc.bios": PAGE}, qs.u64(0xFFFC_0000))
    octets = qs.stream(
        config,
        qs.section(1, 2, blocks + qs.EOF_WORD, "ram", 0, 4),
        qs.section(3, 2, qs.data(0, qs.pages(1), "pc.bios") + qs.EOF_WORD),
        qs.ending(),
    )
    domain = opened(qs.written(tmp_path, octets))
    memory = domain.state(MEMORY)
    assert memory is not None
    assert memory.read(0, 0, 1).kinds.tolist() == [PageKind.ABSENT]
    assert domain.elements.ram is not None
    assert domain.elements.ram.blocks[0].address == 0xFFFC_0000


def test_pages_in_channels_are_refused(tmp_path: Path) -> None:
    """A main channel of multifd, told by a flush word or by the lack of any contents, is no whole memory."""
    for part in (qs.u64(qs.FLUSH), qs.fill(0, 0, "pc.ram")):
        octets = qs.stream(qs.configuration(), qs.ram({"pc.ram": 2 * PAGE}, part), qs.ending())
        with pytest.raises(UnsupportedError, match="channels of their own"):
            opened(qs.written(tmp_path, octets)).state(MEMORY)


def test_a_disk_in_the_stream_is_kept(tmp_path: Path) -> None:
    """Sections of block migration are passed over by what they say themselves, and stand in head and tail."""
    chunk = qs.u64(1) + qs.text("disk") + bytes(1 << 20)
    body = chunk + qs.u64(1 | 8) + qs.text("disk") + qs.u64(50 << 9 | 4) + qs.u64(2)
    octets = qs.stream(
        qs.section(1, 5, qs.u64(2), "block", 0, 1), qs.section(3, 5, body), qs.ram({"pc.ram": PAGE}), qs.ending()
    )
    domain = opened(qs.written(tmp_path, octets))
    assert domain.elements.problem is None
    tail, head = domain.state(FOREIGN_TAIL), domain.state(FOREIGN_HEAD)
    assert tail is not None
    assert head is not None
    assert {part.name: part.octets for part in head.parts}["setup"] == qs.u32(8) + qs.u64(2)
    assert [part.name for part in tail.parts] == ["shape", "section block", "section block"]
    assert tail.parts[0].octets == b"\3" + qs.u32(5) + qs.u32(len(body))
    assert b"".join(part.octets for part in tail.parts[1:]) == body
    strange = octets.replace(qs.u64(50 << 9 | 4), qs.u64(50 << 9 | 16))
    assert "flags that cannot be" in problem_of(qs.written(tmp_path, strange))


def test_thousands_of_short_parts(tmp_path: Path) -> None:
    """The empty parts that dirty bitmaps send while nothing happens are passed over, and kept in one piece."""
    parts = qs.section(2, 5, b"\1") * 5000
    octets = qs.stream(
        qs.section(1, 5, b"\1", "dirty-bitmap"), qs.ram({"pc.ram": PAGE}), parts, qs.section(3, 5, b"\1"), qs.ending()
    )
    domain = opened(qs.written(tmp_path, octets))
    assert domain.elements.problem is None
    tail, head = domain.state(FOREIGN_TAIL), domain.state(FOREIGN_HEAD)
    assert tail is not None
    assert head is not None
    assert {part.name: part.octets for part in head.parts}["setup"] == qs.u32(1) + b"\1"
    assert [part.name for part in tail.parts] == ["shape", "section dirty-bitmap"]
    row = qs.u32(5) + qs.u32(1)
    assert [part.octets for part in tail.parts] == [(b"\2" + row) * 5000 + b"\3" + row, b"\1" * 5001]


def test_what_was_read_before_an_unknown_section_is_kept(tmp_path: Path) -> None:
    """A device without end is told at its offset: memory and the devices before it stay, the whole is refused."""
    good = qs.plain(footer=False, described_=False)
    octets = good[:-1] + qs.section(4, 77, b"\x01" * 40, "strange", footer=False)
    domain = opened(qs.written(tmp_path, octets))
    assert len(memory_of(domain)) == 2
    assert "globalstate" in str(domain.elements.problem) or "strange" in str(domain.elements.problem)
    with pytest.raises(StreamError, match="nothing tells where section"):
        domain.state(FOREIGN_TAIL)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(9, len(qs.plain()) - 1))
def test_every_cut_is_refused(size: int, tmp_path: Path) -> None:
    """A stream with its end cut off is refused with an offset, and info still works where there are blocks."""
    path = qs.written(tmp_path, qs.plain()[:size])
    try:
        domain = opened(path)
    except CutError:
        assert size < 40
        return
    assert domain.machine.hypervisor == "qemu"
    with pytest.raises(StreamError) as caught:
        domain.state(FOREIGN_TAIL)
    assert caught.value.offset is not None
    domain.close()


def test_the_configuration_tells_the_machine(tmp_path: Path) -> None:
    """Name, UUID and capabilities come from CONFIGURATION; 4 KiB pages may be said."""
    config = qs.configuration(
        "pc-q35-7.2",
        qs.subsection("configuration/target-page-bits", qs.u32(12)),
        qs.capabilities("x-ignore-shared"),
        qs.subsection("configuration/uuid", bytes(range(16))),
    )
    domain = opened(qs.written(tmp_path, qs.stream(config, qs.ending())))
    assert domain.machine.uuid == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert domain.machine.name == "pc-q35-7.2"
    assert domain.elements.configuration.capabilities == ("x-ignore-shared",)
    assert domain.state(MEMORY) is None


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder cannot be read at random, and a missing file is told."""
    with pytest.raises(UsageError):
        opened(tmp_path)
    with pytest.raises(DomainError):
        opened(tmp_path / "nothing")


def test_batches_and_reads_agree(tmp_path: Path) -> None:
    """FILL pages keep their octet, and kinds are the same whichever way pages are read."""
    domain = opened(qs.written(tmp_path, qs.plain()))
    memory = domain.state(MEMORY)
    assert memory is not None
    batch: PageBatch = memory.read(0, 0, 4)
    assert batch.kinds.tolist() == [PageKind.DATA, PageKind.DATA, PageKind.ZERO, PageKind.FILL]
    assert batch.fills is not None
    assert batch.fills.tolist() == [0xFF]
    assert np.array_equal(next(iter(memory.batches(4))).kinds, batch.kinds)


def test_ways_of_saving_are_told(tmp_path: Path) -> None:
    """Rounds, differences and packed pages are told when memory is asked for; a plain stream has nothing to tell."""
    old, new = qs.pages(7), qs.pages(8)
    part = qs.data(0, old, "pc.ram") + qs.delta(0, old, new) + qs.packed(1, new)
    octets = qs.stream(qs.configuration(), qs.ram({"pc.ram": 2 * PAGE}, part), qs.ending())
    notes: list[str] = []
    domain = QemuDomain(opened(qs.written(tmp_path, octets)).file, notes.append)
    assert domain.state(MEMORY) is not None
    told = notes[-1]
    assert "pages came in several rounds, as differences (XBZRLE), packed (zlib); they are kept plain" in told
    notes.clear()
    assert QemuDomain(opened(qs.written(tmp_path, qs.plain())).file, notes.append).state(MEMORY) is not None
    assert [note for note in notes if "pages came" in note] == []


def test_a_closed_stream_goes_at_once(tmp_path: Path) -> None:
    """Its index may be a hundred megabytes: it does not wait for the collector."""
    domain = opened(qs.written(tmp_path, qs.modern()))
    for key in domain.owned_states():
        assert domain.state(key) is not None
    ram = domain.elements.ram
    parts = [weakref.ref(part) for part in (domain, domain.elements, ram)]
    gc.disable()
    try:
        domain.close()
        del domain, ram
        assert [part() for part in parts] == [None, None, None]
    finally:
        gc.enable()


def cmos(size: int) -> bytes:
    """The section of a machine's CMOS that tells of so much RAM below 4 GiB."""
    octets = bytearray(128)
    octets[0x34:0x36] = ((size - (16 << 20)) >> 16).to_bytes(2, "little")
    return qs.section(4, 9, bytes(octets), "mc146818rtc")


def test_what_is_plugged_in_is_not_taken_for_main_memory(tmp_path: Path) -> None:
    """CMOS tells how much that is; which blocks it is, where nothing tells, is told by an option, or noted."""
    ram = qs.ram({"d0": 32 << 20, "m0": 24 << 20}, qs.data(0, qs.pages(1), "m0"))
    end = qs.ending([qs.described("mc146818rtc", [qs.field("cmos_data", 128, "buffer")])])

    def addresses(total: int, *nodes: str) -> tuple[dict[str, int], list[str]]:
        path, notes = qs.written(tmp_path, qs.stream(qs.configuration(), ram, cmos(total), end)), list[str]()
        domain = QemuDomain(open_file(str(path)), notes.append, Given(nodes=nodes))
        found = {block.name: place.address for block in domain.machine.blocks for place in block.placements}
        domain.close()
        return found, [note for note in notes if "follow each other" in note]

    assert addresses(24 << 20) == ({"m0": 0}, [])
    assert addresses(56 << 20)[0] == {"d0": 0, "m0": 32 << 20}
    assert "'d0', 'm0'" in addresses(56 << 20)[1][0]
    assert addresses(56 << 20, "m0", "d0") == ({"m0": 0, "d0": 24 << 20}, [])


def test_the_ram_of_a_machine_that_is_not_known_has_no_addresses(tmp_path: Path) -> None:
    """A virt machine's begins at 1 GiB: rather than to be taken for that of a PC it stands nowhere, which is told."""
    ram = qs.ram({"node0": PAGE}, qs.data(0, qs.pages(1), "node0"))
    notes: list[str] = []
    path = qs.written(tmp_path, qs.stream(qs.configuration("virt-7.2"), ram, qs.ending([])))
    domain = QemuDomain(open_file(str(path)), notes.append)
    assert [block.placements for block in domain.machine.blocks] == [()]
    assert memory_of(domain) == [qs.pages(1)]
    assert any("'virt-7.2' is no x86 machine that is known" in note for note in notes)
    domain.close()


def background(*records: bytes, devices: bool = True) -> bytes:
    """A background snapshot of four pages, as QEMU writes it: a RAM section that has no end."""
    return qs.stream(
        qs.configuration(),
        qs.section(1, 2, qs.block_list({"pc.ram": 4 * PAGE}) + qs.EOF_WORD, "ram", 0, 4),
        qs.section(2, 2, b"".join(records) + qs.EOF_WORD),
        qs.section(4, 0, qs.TIMER, "timer") if devices else b"",
        qs.ending(qs.DESCRIBED[:1] if devices else []),
    )


def test_a_background_snapshot(tmp_path: Path) -> None:
    """Its RAM has no end, which is no cut where all its pages are told and devices follow; written it has one."""
    pages = [qs.data(0, qs.pages(1), "pc.ram"), qs.fill(1), qs.data(2, qs.pages(2)), qs.data(3, qs.pages(3))]
    path = qs.written(tmp_path, background(*pages))
    domain = opened(path)
    assert domain.elements.problem is None
    assert memory_of(domain) == [qs.pages(1) + bytes(PAGE) + qs.pages(2, 3)]
    assert any("background snapshot" in note for note in notes_of(domain))
    plain = qs.written(tmp_path, octets_of(domain), "plain.mig")
    domain.close()
    again = opened(plain)
    assert not again.elements.background
    assert memory_of(again) == [qs.pages(1) + bytes(PAGE) + qs.pages(2, 3)]
    again.close()
    for cut in (background(*pages[:3]), background(*pages, devices=False)):
        assert "the stream ends before section 'ram' does" in problem_of(qs.written(tmp_path, cut))
