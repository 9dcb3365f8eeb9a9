"""Domains as ELF cores, judged by what real QEMU dumps of the same machine, by readelf, pyelftools and gdb."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from domctx.api import Machine, Placement, RamBlock
from domctx.context import Operation
from domctx.errors import DomainError
from domctx.states import DEVICES, FOREIGN_HEAD, MEMORY, ForeignPart, PageBatch, PageKind
from domctx.testing import StatesDomain
from domctx_foreign import StoredForeign
from domctx_x86.states import REGISTERS
from domctx_x86.vcpu import NARROW, WIDE, Registers
from helpers.elf_cores import from_stream, gdb, long_guest, pair, run, told, tool, written
from helpers.memory import Pages, SourceMemory, block_of, machine_of, random_pages

PAGES = random_pages(4, 40, 4096)


@pytest.fixture(scope="module")
def long_mode(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """(dump, paged dump, ours) of a guest in long mode, and a second vCPU that is not."""
    folder = tmp_path_factory.mktemp("long")
    dump, paged, stream = pair(folder, ["-machine", "pc", "-m", "16", "-smp", "2"], long_guest(folder))
    return dump, paged, from_stream(stream, folder / "ours.elf")


def test_notes_and_memory_are_those_that_qemu_dumps(long_mode: tuple[Path, Path, Path]) -> None:
    """Class, machine, every segment with its addresses and octets, and every note."""
    dump, _, ours = long_mode
    assert told(ours) == told(dump)


def test_a_machine_that_was_never_started(tmp_path: Path) -> None:
    """In real mode the notes are of 32 bits; the firmware stands below 4 GiB, RAM beyond it is split as QEMU does."""
    dump, _, stream = pair(tmp_path, ["-machine", "q35", "-m", "16"], None)
    ours, theirs = told(from_stream(stream, tmp_path / "ours.elf")), told(dump)
    assert (ours.file_class, ours.machine, ours.notes) == (theirs.file_class, theirs.machine, theirs.notes)
    assert ours.loads[-1] == theirs.loads[-1]
    (_, start, size, octets), found = ours.loads[0], b""
    for _, paddr, length, more in theirs.loads[:-1]:
        if not 0xC0000 <= paddr < 0x10_0000:  # ROMs stand before RAM there, until the firmware has run
            assert octets[paddr : paddr + length] == more
        found += more
    assert (start, size) == (0, 16 << 20)


def test_readelf_and_pyelftools_read_it(long_mode: tuple[Path, Path, Path]) -> None:
    """Without a warning; the notes have their names."""
    printed = run(tool("readelf"), "-aW", long_mode[2])
    assert "arning" not in printed
    assert "Error" not in printed
    assert printed.count("NT_PRSTATUS") == 2
    with long_mode[2].open("rb") as file:
        segments: list[Any] = list(ELFFile(file).iter_segments())
        assert [segment["p_type"] for segment in segments] == ["PT_NOTE", "PT_LOAD", "PT_LOAD"]
        assert [note["n_name"] for note in segments[0].iter_notes()] == ["CORE", "CORE", "QEMU", "QEMU"]


def test_gdb_opens_it(long_mode: tuple[Path, Path, Path]) -> None:
    """Registers of both vCPUs, and memory."""
    printed = gdb(long_mode[2], "info registers rax rip fs_base r15", "x/2xb 0x7dfe", "thread 2", "info registers ss")
    assert "0x1112131415161718" in printed
    assert "0xffff800011110000" in printed
    assert "0xf0f0f0f0f0f0f0f" in printed
    assert "0x7dfe:\t0x55\t0xaa" in printed
    assert "LWP 2" in printed


@pytest.mark.corpus
def test_a_recorded_dump(corpus: Path, tmp_path: Path) -> None:
    """A dump that real QEMU wrote is read by the helper that judges ours: it has what the reference says."""
    from helpers.qemu_corpus import Corpus

    core = told(Corpus(corpus / "qemu", tmp_path).path("pc-16m-dump.elf"))
    assert (core.file_class, core.machine, len(core.notes)) == (2, 3, 1248)
    assert [(vaddr, paddr, size) for vaddr, paddr, size, _ in core.loads] == [
        (0, 0, 16 << 20),
        (0xFFFC_0000, 0xFFFC_0000, 256 << 10),
    ]


def registers(architecture: str = NARROW, **more: object) -> Registers:
    """A vCPU."""
    return Registers(architecture=architecture, general={"rip": 0x1_2345_6789}, segments={}, control={}, **more)  # type: ignore[arg-type]


class Told:
    """Registers of some vCPUs."""

    def __init__(self, *vcpus: Registers) -> None:
        self.vcpus = dict(enumerate(vcpus))


def test_a_small_machine_has_a_32_bit_file(tmp_path: Path) -> None:
    """Where no address and no vCPU needs 64 bits."""
    memory = SourceMemory([block_of(40)], [PAGES])
    core = told(
        written(
            StatesDomain(machine_of([block_of(40)]), {MEMORY: memory, REGISTERS: Told(registers())}), tmp_path / "x"
        )
    )
    assert (core.file_class, core.machine) == (1, 3)
    assert core.loads == [(0, 0, 40 << 12, PAGES.contents.tobytes())]
    assert 0x2345_6789.to_bytes(4, "little") in core.notes


def test_what_has_no_registers_is_noted(tmp_path: Path) -> None:
    """The core then has memory only, and is of the machine's architecture; so is what is left behind."""
    blocks = (RamBlock("ram", 4 << 12, 12, (Placement(0x1000, 0, 4 << 12),)), RamBlock("rom", 4096))
    memory = SourceMemory(blocks, [random_pages(1, 4, 4096), random_pages(2, 1, 4096)])
    operation = Operation()
    domain = StatesDomain(Machine("m", WIDE), {MEMORY: memory, DEVICES: object()})
    core = told(written(domain, tmp_path / "x", operation))
    assert (core.machine, core.notes) == (62, b"")
    assert operation.notes[:2] == [
        "nothing tells of x86 vCPUs' registers: the core has none",
        "RAM blocks that have no place in guest-physical memory are left behind: 'rom'",
    ]
    with pytest.raises(DomainError, match="there is no state 'memory' in it"):
        written(StatesDomain(Machine("m", WIDE), {}), tmp_path / "y")


def test_pages_without_contents_are_zeros(tmp_path: Path) -> None:
    """And counted."""
    kinds = np.array([PageKind.DATA, PageKind.ABSENT, PageKind.FILL], np.uint8)
    contents = np.full((3, 4096), 7, np.uint8)
    contents[1] = 0
    operation = Operation()
    domain = StatesDomain(machine_of([block_of(3)]), {MEMORY: SourceMemory([block_of(3)], [Pages(kinds, contents)])})
    core = told(written(domain, tmp_path / "x", operation))
    assert core.loads[0][3] == contents.tobytes()
    assert "0x1 pages have no contents: zeros are written" in operation.notes


class OnePass(StatesDomain):
    """A domain whose pages come once, the last first."""

    one_pass = True


class Backwards(SourceMemory):
    """Pages in another order."""

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """The last batch first."""
        for first in range(35, -1, -5):
            yield self.read(0, first, 5)


def test_memory_that_passes_once_is_put_in_order(tmp_path: Path) -> None:
    """It is kept in a file meanwhile, and said to be."""
    operation = Operation()
    domain = OnePass(machine_of([block_of(40)]), {MEMORY: Backwards([block_of(40)], [PAGES])})
    core = told(written(domain, tmp_path / "x", operation))
    assert core.loads[0][3] == PAGES.contents.tobytes()
    assert "temporary file" in operation.notes[0]


def test_the_notes_of_the_core_that_it_came_from_are_kept(tmp_path: Path) -> None:
    """Whatever stands in them."""
    head = StoredForeign([ForeignPart("elf", "notes", b"some"), ForeignPart("lgr", "notes", b"other")])
    memory = SourceMemory([block_of(40)], [PAGES])
    domain = StatesDomain(
        machine_of([block_of(40)]), {MEMORY: memory, FOREIGN_HEAD: head, REGISTERS: Told(registers())}
    )
    assert told(written(domain, tmp_path / "x")).notes == b"some"


def test_more_segments_than_the_header_can_count(tmp_path: Path) -> None:
    """Their number stands in the first section then, as readelf and pyelftools know."""
    count = 0x10000
    places = tuple(Placement(index << 13, 0, 4096) for index in range(count))
    memory = SourceMemory([RamBlock("ram", 4096, 12, places)], [random_pages(1, 1, 4096)])
    path = written(StatesDomain(Machine("m", NARROW), {MEMORY: memory}), tmp_path / "x")
    core = told(path)
    assert len(core.loads) == count
    assert core.loads[-1][1] == (count - 1) << 13
    with path.open("rb") as file:
        assert ELFFile(file).num_segments() == count + 1
    assert "arning" not in run(tool("readelf"), "-hW", path)
