"""ELF cores opened: what real QEMU dumped, and what nobody should have written."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from domctx.api import Domain, Machine
from domctx.errors import DomainError, StreamError, UnsupportedError
from domctx.states import FOREIGN_HEAD, MEMORY, PageBatch, PageKind
from domctx.testing import StatesDomain
from domctx_elf import content, memory, plugin
from domctx_elf.domain import open_domain
from domctx_elf.notes import note
from domctx_elf.registers import provide
from domctx_memory.pages import whole
from helpers.elf_cores import composed, context
from helpers.qemu_corpus import Corpus
from helpers.qemu_registers import expected

LOAD, NOTE = 1, 4


def opened(folder: Path, octets: bytes) -> Domain:
    """A core in a file."""
    path = folder / "core"
    path.write_bytes(octets)
    return open_domain(str(path), context())


def stored(domain: Domain) -> list[tuple[int, bytes]]:
    """(address, octets) of each block; what is not told is zeros."""
    state = domain.state(MEMORY)
    assert state is not None
    found = [b"" for _ in state.blocks]
    for batch in state.batches(3):
        found[batch.block] += whole(batch, 4096).tobytes()
    return [
        (block.placements[0].address, octets[: block.size]) for block, octets in zip(state.blocks, found, strict=True)
    ]


@pytest.mark.corpus
def test_a_dump_of_real_qemu(corpus: Path, tmp_path: Path) -> None:
    """Memory has the recorded digests, and registers are those that were printed."""
    files = Corpus(corpus / "qemu", tmp_path)
    domain = open_domain(str(files.path("pc-16m-dump.elf")), context())
    truth = files.truth("pc-16m-dump")
    (_, ram), (_, bios) = stored(domain)
    pages = {f"{place:x}": hashlib.sha256(ram[place : place + 4096]).hexdigest() for place in range(0, len(ram), 4096)}
    zero = hashlib.sha256(bytes(4096)).hexdigest()
    assert {place: digest for place, digest in pages.items() if digest != zero} == {
        place: digest for place, digest in truth["pages_sha256_nonzero"].items() if int(place, 16) < len(ram)
    }
    assert bios[-16:-11] == bytes.fromhex("ea5be000f0")
    registers = provide(domain)
    assert registers is not None
    assert (domain.machine.architecture, domain.machine.hypervisor, domain.machine.vcpus) == ("i386", "qemu", (0, 1))
    for vcpu, found in registers.vcpus.items():
        for name, value, width in expected(truth["registers"][str(vcpu)]):
            part = name.split(".")[0]
            if part in found.general or part in found.control or part in found.segments:
                assert _value(found, name) & (1 << width) - 1 == value, name
    domain.close()


def _value(found: Any, name: str) -> int:
    part, _, field = name.partition(".")
    if not field:
        value: int = (found.general | found.control)[part]
        return value
    segment = getattr(found.segments[part], field)
    return segment & 0x00FF_FF00 if field == "flags" else int(segment)


PIECES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 12), st.integers(0, 12), st.integers(1, 255)), min_size=1, max_size=8
)


@given(PIECES, st.booleans(), st.sampled_from([1, 512, 4096]))
def test_segments_are_memory(tmp_path_factory: Any, pieces: Any, wide: bool, unit: int) -> None:
    """Whatever they overlap; of several the one that begins first counts, and what is not told is zeros."""
    rows = [
        (LOAD, 0, (at + 1) * unit, bytes([fill]) * (min(told, size) * unit), size * unit)
        for at, size, told, fill in pieces
    ]
    model = np.zeros(64 * unit, np.uint8)
    covered = np.zeros(64 * unit, bool)
    for _, _, address, octets, size in sorted(rows, key=lambda row: row[2]):
        free = ~covered[address : address + size]
        part = np.frombuffer(octets.ljust(size, b"\0"), np.uint8)
        model[address : address + size][free] = part[free]
        covered[address : address + size] = True
    domain = opened(tmp_path_factory.mktemp("core"), composed(rows, machine=3, wide=wide))
    found = stored(domain)
    domain.close()
    for address, octets in found:
        assert octets == model[address : address + len(octets)].tobytes()
        covered[address : address + len(octets)] ^= True
    assert not covered.any()


def test_what_the_file_does_not_tell_is_absent(tmp_path: Path) -> None:
    """Pages beyond p_filesz; a page that is told in part has zeros behind."""
    domain = opened(tmp_path, composed([(LOAD, 0, 0x1000, b"x" * 5000, 4 << 12)]))
    state = domain.state(MEMORY)
    assert state is not None
    batch = state.read(0, 1, 3)
    assert batch.kinds.tolist() == [PageKind.DATA, PageKind.ABSENT, PageKind.ABSENT]
    assert batch.pages[0].tobytes() == b"x" * 904 + bytes(4096 - 904)
    with pytest.raises(DomainError):
        state.read(0, 3, 2)
    with pytest.raises(DomainError, match="takes nothing"):
        state.store(PageBatch(0, 0, batch.kinds, batch.pages))
    domain.close()


def test_a_domain_is_what_its_file_holds(tmp_path: Path) -> None:
    """Notes are kept, whatever they are; a core without any has memory only."""
    domain = opened(tmp_path, composed([(NOTE, 0, 0, note(b"X", 1, b"y")), (LOAD, 0, 0, bytes(4096))]))
    head = domain.state(FOREIGN_HEAD)
    assert head is not None
    assert [part.octets for part in head.parts] == [note(b"X", 1, b"y")]
    assert domain.owned_states() == (MEMORY, FOREIGN_HEAD)
    assert (provide(domain), domain.machine.vcpus, domain.machine.hypervisor) == (None, (), "")
    assert [part.check for part in plugin.coverage(domain)] == ["their ranges", "their lengths", ""]
    domain.pause()
    domain.unpause()
    domain.close()
    bare = opened(tmp_path, composed([(LOAD, 0, 0, bytes(4096))], machine=3))
    assert (bare.owned_states(), bare.machine.architecture) == ((MEMORY,), "i386")
    bare.close()
    broken = opened(tmp_path, composed([(NOTE, 0, 0, b"\xff" * 12), (LOAD, 0, 0, bytes(4096))]))
    assert broken.machine.vcpus == ()
    with pytest.raises(StreamError, match="reaches past the notes' end"):
        provide(broken)
    broken.close()


def test_registers_of_linux_cores(tmp_path: Path) -> None:
    """Without QEMU's notes NT_PRSTATUS tells general registers and selectors, of 64 and of 32 bits."""
    wide = bytes(112) + struct.pack("<27Q", *range(1, 28)) + bytes(8)
    narrow = bytes(72) + struct.pack("<17I", *range(1, 18)) + bytes(4)
    domain = opened(tmp_path, composed([(NOTE, 0, 0, note(b"CORE", 1, wide)), (LOAD, 0, 0, bytes(4096))]))
    told = plugin.registers(domain)
    assert told is not None
    found = told.vcpus[0]
    assert (found.general["r15"], found.general["rip"], found.segments["fs"].base, found.control) == (1, 17, 22, {})
    assert (found.segments["cs"].selector, found.cpl) == (18, 1)
    domain.close()
    domain = opened(tmp_path, composed([(NOTE, 0, 0, note(b"CORE", 1, narrow)), (LOAD, 0, 0, bytes(4096))], machine=3))
    small = provide(domain)
    assert small is not None
    found = small.vcpus[0]
    assert (found.general["rbx"], found.general["rip"], "r8" in found.general) == (1, 13, False)
    domain.close()


GOOD = composed([(NOTE, 0, 0, note(b"X", 1, b"y")), (LOAD, 0, 0, bytes(4096))])


@pytest.mark.parametrize(
    ("octets", "error", "message"),
    [
        (b"\x7fELG" + GOOD[4:], StreamError, "does not begin as an ELF file does"),
        (GOOD[:51], StreamError, "does not begin as an ELF file does"),
        (GOOD[:63], StreamError, "ends inside its header"),
        (GOOD[:4] + b"\x03" + GOOD[5:], UnsupportedError, "class 3, data 1"),
        (GOOD[:5] + b"\x02" + GOOD[6:], UnsupportedError, "class 2, data 2"),
        (composed([], type=2), UnsupportedError, "is no core"),
        (composed([], machine=183), UnsupportedError, "no x86"),
        (composed([], phnum=3), StreamError, "ends inside its program headers"),
        (composed([(LOAD, 0, 0, b"x")], phentsize=55), StreamError, "program headers of another size"),
        (composed([], phnum=0xFFFF, shoff=64, shnum=2), StreamError, "ends inside its section headers"),
        (composed([], shoff=64, shnum=0x1001), StreamError, "too many section headers"),
        (GOOD[:-1], StreamError, "ends before its segments do"),
        (composed([(LOAD, 0, 1 << 52, b"x")]), StreamError, "program header 0: paddr is out of range"),
        (composed([(LOAD, 0, 0, b"x", 1 << 60)]), StreamError, "memsz is out of range"),
        (composed([(LOAD, 0, 0, bytes(4096), 1 << 51)]), UnsupportedError, "next to nothing of its memory is in the"),
        (composed([(LOAD, 0, place << 33, b"x", 1 << 33) for place in range(3)]), UnsupportedError, "next to nothing"),
        (composed([(LOAD, 0, 0, b"xy", 1)]), StreamError, "more octets in the file than in memory"),
        (composed([(LOAD, 0, 0, b"x"), (LOAD, 9, 0, b"y")]), UnsupportedError, "is the core of a process"),
    ],
)
def test_what_is_no_core_of_a_machine_is_refused(
    octets: bytes, error: type[Exception], message: str, tmp_path: Path
) -> None:
    """By name, and the file is closed."""
    with pytest.raises(error) as caught:
        opened(tmp_path, octets)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "core"))


def test_some_of_the_memory_may_be_left_out(tmp_path: Path) -> None:
    """16 GiB of any machine, and more where more is in the file."""
    octets = composed([(LOAD, 0, 0, bytes(4096), 1 << 34), (LOAD, 0, 1 << 40, bytes(16 << 20), 16 << 20)])
    domain = opened(tmp_path, octets)
    assert sum(block.size for block in domain.machine.blocks) == (1 << 34) + (16 << 20)
    domain.close()


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments, notes and pieces of memory are counted before anything is made of them."""
    pieces = composed([(LOAD, 0, place << 20, b"x") for place in range(4)])
    monkeypatch.setattr(memory, "MAX_BLOCKS", 3)
    with pytest.raises(StreamError, match="in too many pieces"):
        opened(tmp_path, pieces)
    monkeypatch.setattr(content, "MAX_NOTES", 3)
    with pytest.raises(StreamError, match="too many notes"):
        opened(tmp_path, GOOD)
    monkeypatch.setattr(content, "MAX_SEGMENTS", 3)
    with pytest.raises(StreamError, match="too many program headers"):
        opened(tmp_path, pieces)


def test_a_number_of_segments_in_the_first_section(tmp_path: Path) -> None:
    """Where the header cannot count them; without sections there are 65535."""
    section = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 1, 0, 0)
    octets = composed([(LOAD, 0, 0x1000, b"abc" + bytes(4093))])
    octets += section
    start = len(octets) - len(section)
    octets = octets[:40] + struct.pack("<Q", start) + octets[48:56] + b"\xff\xff" + octets[58:]
    domain = opened(tmp_path, octets)
    assert stored(domain) == [(0x1000, b"abc" + bytes(4093))]
    domain.close()
    with pytest.raises(StreamError, match="ends inside its program headers"):
        opened(tmp_path, octets[:40] + bytes(8) + octets[48:])


def test_a_file_that_is_cut_meanwhile(tmp_path: Path) -> None:
    """Its pages are refused."""
    domain = opened(tmp_path, GOOD)
    (tmp_path / "core").write_bytes(GOOD[:-100])
    state = domain.state(MEMORY)
    assert state is not None
    with pytest.raises(StreamError, match="ends before its memory does"):
        state.read(0, 0, 1)
    domain.close()


def test_only_cores_have_registers_in_notes() -> None:
    """A domain without such notes gives none."""
    assert provide(StatesDomain(Machine("m", "i386"), {})) is None
