"""Cores of Xen's own format, written: read back, and laid out as Xen's tools lay them out."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from domctx.api import Domain, Machine, Placement, RamBlock, StateKey
from domctx.context import Operation
from domctx.errors import DomainError
from domctx.sinks import BytesSink
from domctx.states import FOREIGN_HEAD, MEMORY, SHARED_INFO
from domctx.testing import StatesDomain
from domctx_cpu.xen_registers import provide
from domctx_elf import plugin, xen_writer
from domctx_elf.domain import open_domain
from domctx_elf.segments import Load
from domctx_memory.address import Extent
from domctx_memory.pages import whole
from domctx_x86.states import REGISTERS
from domctx_x86.vcpu import WIDE, Registers, Segment
from helpers import xen_cores as xc
from helpers.elf_cores import context, run, tool
from helpers.memory import SourceMemory, random_pages
from helpers.qemu_corpus import Corpus


def written(domain: Any, path: Path, operation: Operation | None = None) -> Domain:
    """The domain as a Xen core, opened."""
    sink = BytesSink()
    plugin.write(domain, sink, context("elf", operation, "kind=xen"))
    path.write_bytes(sink.octets)
    return open_domain(str(path), context())


def contents(domain: Domain) -> list[Any]:
    """What must be the same of two domains."""
    memory, registers = domain.state(MEMORY), provide(domain)
    assert memory is not None
    assert registers is not None
    pages = [whole(batch, 4096).tobytes() for batch in memory.batches()]
    owned: list[StateKey[Any]] = [key for key in domain.owned_states() if key not in (MEMORY, FOREIGN_HEAD)]
    states = {key.name: domain.state(key) for key in owned}
    gdt, shared = states["gdt"], states["shared_info"]
    assert gdt is not None
    assert shared is not None
    return [pages, dict(registers.vcpus), gdt.contexts, shared.context]


def layout(path: Path) -> list[tuple[Any, ...]]:
    """The sections of a core: name, type, place, size, alignment, size of an entry."""
    with path.open("rb") as file:
        fields = ("sh_type", "sh_offset", "sh_size", "sh_addralign", "sh_entsize")
        return [(section.name, *(section[field] for field in fields)) for section in ELFFile(file).iter_sections()]


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["xen4.17-pv-linux-40MiB", "xen4.17-pv-mini-4MiB"])
def test_a_core_of_xen_s_comes_back(name: str, corpus: Path, tmp_path: Path) -> None:
    """Section for section where it was, with the same header and notes; what it holds is the same, canonical."""
    path = Corpus(corpus / "xen" / name, tmp_path).path("core.elf")
    source = open_domain(str(path), context())
    again = written(source, tmp_path / "again")
    assert contents(again) == contents(source)
    head = (tmp_path / "again").read_bytes()[:0x768]
    assert layout(tmp_path / "again") == layout(path)
    assert head == path.read_bytes()[:0x768]
    assert "arning" not in run(tool("readelf"), "-aW", tmp_path / "again")
    again.close()
    source.close()


def test_a_small_guest(tmp_path: Path) -> None:
    """A 32-bit guest's contexts have its machine; without shared info there is no such section."""
    frames = [(0, 0x10), (1, 0x20)]
    sections = xc.sections(frames, bytes(8192), xc.vcpu(4, cr3=0x10 << 12))
    del sections[".xen_shared_info"]
    (tmp_path / "core").write_bytes(xc.core(sections, machine=3))
    source = open_domain(str(tmp_path / "core"), context())
    again = written(source, tmp_path / "again")
    assert again.machine == source.machine
    assert again.state(SHARED_INFO) is None
    assert struct.unpack_from("<H", (tmp_path / "again").read_bytes(), 18) == (3,)
    again.close()
    source.close()


class Told:
    """A vCPU's registers."""

    def __init__(self, *vcpus: Registers) -> None:
        self.vcpus = dict(enumerate(vcpus))


def test_an_hvm_guest(tmp_path: Path) -> None:
    """Contexts are made of registers; pages have their PFNs, holes none."""
    blocks = [RamBlock("ram", 3 << 12, 12, (Placement(0, 0, 4096), Placement(1 << 32, 4096, 8192)))]
    pages = random_pages(3, 3, 4096)
    registers = Registers(
        architecture=WIDE,
        general={"rip": 5, "r15": 1 << 63},
        segments={"cs": Segment(0x10, 0, 0, 0), "gs": Segment(0, 0x7777, 0, 0)},
        control={"cr3": 0x3000},
        debug=(1, 2),
        msrs={"kernelgsbase": 0x8888},
    )
    operation = Operation()
    source = StatesDomain(Machine("m", WIDE), {MEMORY: SourceMemory(blocks, [pages]), REGISTERS: Told(registers)})
    again = written(source, tmp_path / "core", operation)
    memory, told = again.state(MEMORY), provide(again)
    assert memory is not None
    assert told is not None
    assert whole(memory.read(0, 0, 1), 4096).tobytes() == pages.contents[0].tobytes()
    assert whole(memory.read(0, 1 << 20, 2), 4096).tobytes() == pages.contents[1:].tobytes()
    found = told.vcpus[0]
    assert (found.general["rip"], found.general["r15"], found.control["cr3"], found.debug[:2]) == (
        5,
        1 << 63,
        0x3000,
        (1, 2),
    )
    assert (found.segments["cs"].selector, again.machine.pv_width) == (0x10, None)
    again.close()
    with pytest.raises(DomainError, match="a Xen core has at least one vCPU"):
        written(StatesDomain(Machine("m", WIDE), {MEMORY: SourceMemory(blocks, [pages])}), tmp_path / "x")


def test_entries_are_made_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the guest."""
    monkeypatch.setattr(xen_writer, "STEP", 2)
    found = [Load(Extent(0x1000, 0, 0, 3 << 12)), Load(Extent(0x9000, 0, 0, 4096))]
    assert b"".join(xen_writer.entries(found, 8)) == struct.pack("<4Q", 1, 2, 3, 9)
    assert b"".join(xen_writer.entries(found, 16)) == struct.pack("<8Q", 1, 1, 2, 2, 3, 3, 9, 9)


@pytest.mark.corpus
@pytest.mark.parametrize("kind", ["qemu", "xen"])
def test_an_hvm_guest_of_xen_s(kind: str, corpus: Path, tmp_path: Path) -> None:
    """Every page of the stream stands at its address as Xen's own tool read it, and no hole of 4 GiB is written."""
    import numpy as np

    from domctx_hvm.registers import provide as hvm_registers
    from domctx_xen.domain import open_domain as open_stream

    files = Corpus(corpus / "xen" / "xen4.17-pvh-linux-40MiB", tmp_path)
    stream = open_stream(str(files.path("save.img")), context())
    states: dict[StateKey[Any], Any] = {MEMORY: stream.state(MEMORY), REGISTERS: hvm_registers(stream)}
    sink = BytesSink()
    plugin.write(StatesDomain(stream.machine, states), sink, context("elf", None, f"kind={kind}"))
    stream.close()
    (tmp_path / "core").write_bytes(sink.octets)
    assert len(sink.octets) < 64 << 20
    core = open_domain(str(tmp_path / "core"), context())
    memory = core.state(MEMORY)
    assert memory is not None
    places = {block.placements[0].address: index for index, block in enumerate(memory.blocks)}
    rows = np.fromfile(files.path("gmem.bin"), np.dtype([("pfn", "<u8"), ("one", "<u8"), ("page", "u1", 4096)]))
    equal = 0
    for start in range(0, len(rows), 1024):
        for row in rows[start : start + 1024]:
            address = int(row["pfn"]) << 12
            base = max(place for place in places if place <= address)
            found = whole(memory.read(places[base], (address - base) >> 12, 1), 4096)
            equal += np.array_equal(found[0], row["page"])
    truth = json.loads((files.source / "check.json").read_text())["core"]
    assert (len(rows), equal) == (truth["pages"], truth["equal"])
    core.close()
