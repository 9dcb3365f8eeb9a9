"""Cores of Xen's own format, opened."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domctx.api import Domain
from domctx.context import Operation
from domctx.errors import DomctxError, RecordError, StreamError, UnsupportedError
from domctx.states import FOREIGN_HEAD, GDT, MEMORY, PAGE_TABLES, SHARED_INFO, VCPUS, GdtContext, PageKind
from domctx_cpu.contexts import decode_context
from domctx_cpu.xen_registers import provide
from domctx_elf.domain import open_domain
from domctx_elf.xen_tables import Frames
from domctx_memory.octets import physical_reader
from domctx_memory.pages import whole
from domctx_x86.walk import Walker
from helpers import xen_cores as xc
from helpers.elf_cores import context
from helpers.qemu_corpus import Corpus

ROOT, L3, L2, L1, DATA = 0x10, 0x20, 0x30, 0x40, 0x50
"""Machine frames."""
FRAMES = [(0, ROOT), (1, L3), (2, L2), (3, L1), (4, DATA), (7, 0x90)]


def page(entries: dict[int, int]) -> bytes:
    """A page table."""
    table = np.zeros(512, "<u8")
    for index, value in entries.items():
        table[index] = value
    return table.tobytes()


PAGES = b"".join(
    [
        page({0: L3 << 12 | 7, 1: 0x999 << 12 | 1, 256: 0x90 << 12 | 1, 511: ROOT << 12 | 1}),
        page({0: L2 << 12 | 7, 3: L2 << 12}),
        page({0: L1 << 12 | 7, 1: 0x40_0000 | 0x81}),
        page({5: 1 << 63 | DATA << 12 | 0x67, 6: 0x777 << 12 | 1}),
        b"d" * 4096,
        b"e" * 4096,
    ]
)
VCPU = xc.vcpu(cr3=ROOT << 12, gdt=[DATA, 0x777])


def opened(folder: Path, octets: bytes, operation: Operation | None = None) -> Domain:
    """A core in a file."""
    path = folder / "core"
    path.write_bytes(octets)
    return open_domain(str(path), context(operation=operation))


def need(domain: Domain, key: Any) -> Any:
    """A state that is there."""
    state = domain.state(key)
    assert state is not None
    return state


def test_a_paravirtualised_guest(tmp_path: Path) -> None:
    """Memory by PFNs, with PFNs in the page tables that its vCPU uses; registers, GDT and shared info."""
    operation = Operation()
    domain = opened(tmp_path, xc.core(xc.sections(FRAMES, PAGES, VCPU)), operation)
    machine = domain.machine
    assert (machine.architecture, machine.hypervisor, machine.pv_width, machine.pv_levels) == ("x86_64", "xen", 8, 4)
    assert {key.name for key in domain.owned_states()} == {
        "foreign_head", "memory", "vcpus", "gdt", "shared_info", "page_tables",
    }  # fmt: skip
    memory = need(domain, MEMORY)
    batch = memory.read(0, 0, 8)
    assert batch.kinds.tolist() == [0, 0, 0, 0, 0, PageKind.INVALID, PageKind.INVALID, 0]
    assert memory.kinds(0, 1, 7).tolist() == batch.kinds[1:].tolist()
    words = whole(batch, 4096).view("<u8")
    assert {index: int(words[0, index]) for index in np.flatnonzero(words[0])} == {0: 1 << 12 | 7, 511: 1}
    assert {index: int(words[1, index]) for index in np.flatnonzero(words[1])} == {0: 2 << 12 | 7, 3: L2 << 12}
    assert {index: int(words[2, index]) for index in np.flatnonzero(words[2])} == {0: 3 << 12 | 7}
    assert {index: int(words[3, index]) for index in np.flatnonzero(words[3])} == {5: 1 << 63 | 4 << 12 | 0x67}
    assert need(domain, PAGE_TABLES).context.types.tolist() == [4, 3, 2, 1, 0, 0, 0, 0]
    assert need(domain, GDT).contexts == {0: GdtContext((4, 0), 1024)}
    assert need(domain, SHARED_INFO).context.page == b"\x5a" * 4096
    assert [part.name for part in need(domain, FOREIGN_HEAD).parts] == ["xen notes"]
    registers = provide(domain)
    assert registers is not None
    assert Walker(registers.vcpus[0], physical_reader(memory)).read(0x5000, 3) == b"ddd"
    assert "keep machine frames" in operation.notes[0]
    domain.pause()
    domain.unpause()
    domain.close()


@pytest.mark.parametrize("bit", [0, 1])
def test_a_user_s_page_tables_are_found_too(bit: int, tmp_path: Path) -> None:
    """The second top-level table of a 64-bit vCPU, as Xen dumps it and as a stream has it; one outside is none."""
    frames = [*FRAMES[:5], (5, 0x60)]
    pages = PAGES[: 5 * 4096] + page({0: L3 << 12 | 1})
    domain = opened(tmp_path, xc.core(xc.sections(frames, pages, xc.vcpu(cr3=0x777 << 12, cr1=0x60 << 12 | bit))))
    assert need(domain, PAGE_TABLES).context.types.tolist()[1:] == [3, 2, 1, 0, 4]
    assert decode_context(need(domain, VCPUS).contexts[0]).ctrlreg[1] == 5 << 12 | 1
    domain.close()


def test_a_32_bit_guest(tmp_path: Path) -> None:
    """PAE, the base folded."""
    frames = [(0, 0x30_0010), (1, L2), (2, L1), (3, DATA)]
    pages = (
        page({0: L2 << 12 | 1, 4: DATA << 12 | 1}) + page({0: L1 << 12 | 7}) + page({0: DATA << 12 | 7}) + b"d" * 4096
    )
    folded = (0x30_0010 << 12 | 0x30_0010 >> 20) & 0xFFFF_FFFF
    domain = opened(tmp_path, xc.core(xc.sections(frames, pages, xc.vcpu(4, cr3=folded)), machine=3))
    assert (domain.machine.architecture, domain.machine.pv_width, domain.machine.pv_levels) == ("i386", 4, 3)
    assert need(domain, PAGE_TABLES).context.types.tolist() == [3, 2, 1, 0]
    registers = provide(domain)
    assert registers is not None
    assert Walker(registers.vcpus[0], physical_reader(need(domain, MEMORY))).read(0, 2) == b"dd"
    domain.close()


def test_an_hvm_guest(tmp_path: Path) -> None:
    """Nothing is translated; pages that describe no page stand at the end."""
    changed = {
        "note": xc.notes(magic=xc.HVM, pages=3),
        "xen_pfn": struct.pack("<QQQ", 1, 2, (1 << 64) - 1),
        "xen_pages": b"a" * 4096 + b"b" * 4096 + bytes(4096),
    }
    sections = xc.sections(FRAMES[:3], b"", xc.vcpu(cr3=0x1000), **changed)
    del sections[".xen_shared_info"]
    domain = opened(tmp_path, xc.core(sections))
    assert (domain.machine.pv_width, domain.state(PAGE_TABLES), domain.state(SHARED_INFO)) == (None, None, None)
    assert [block.pages for block in domain.machine.blocks] == [3]
    assert need(domain, MEMORY).read(0, 0, 3).pages[:, 0].tobytes() == b"ab"
    assert len(need(domain, VCPUS).contexts) == 1
    domain.close()


def test_a_guest_without_anything(tmp_path: Path) -> None:
    """No vCPU, no page."""
    domain = opened(tmp_path, xc.core(xc.sections([], b"") | {".note.Xen": xc.notes(vcpus=0, pages=0)}))
    assert (domain.machine.vcpus, domain.machine.blocks[0].size) == ((), 0)
    assert list(need(domain, MEMORY).batches()) == []
    domain.close()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"note": b""}, StreamError, "has no note HEADER"),
        ({"note": xc.note(0x2000001, bytes(31) + b"")}, StreamError, "has no note HEADER"),
        ({"note": xc.notes(version=2)}, UnsupportedError, "of another version"),
        ({"note": xc.notes(magic=1)}, UnsupportedError, "unknown kind of guest"),
        ({"note": xc.notes(size=8192)}, UnsupportedError, "pages of another size"),
        ({"note": xc.notes(vcpus=1 << 20)}, StreamError, "too many vCPUs"),
        ({"note": xc.notes(vcpus=2, pages=6)}, StreamError, "contexts of an unknown size"),
        ({"note": xc.notes(pages=5)}, StreamError, "has not the pages that HEADER tells"),
        ({"note": xc.notes(pages=1 << 62)}, StreamError, "has not the pages that HEADER tells"),
        ({"xen_p2m": bytes(8)}, StreamError, "does not describe every page"),
        ({"xen_p2m": struct.pack("<12Q", *([1 << 41] * 12))}, StreamError, "names a frame that no machine has"),
        ({"xen_p2m": struct.pack("<12Q", *([1] * 12))}, StreamError, "do not ascend"),
        (
            {"xen_p2m": struct.pack("<12Q", *range(10), 1 << 39, 0)},
            UnsupportedError,
            "silent about nearly all of its pages",
        ),
        ({"xen_shared_info": bytes(4097)}, StreamError, "section .xen_shared_info is too long"),
    ],
)
def test_sections_that_contradict_each_other(
    changes: dict[str, bytes], error: type[DomctxError], message: str, tmp_path: Path
) -> None:
    """Are refused."""
    with pytest.raises(error) as caught:
        opened(tmp_path, xc.core(xc.sections(FRAMES, PAGES, VCPU, **changes)))
    assert message in str(caught.value)


def test_sections_that_are_not_there(tmp_path: Path) -> None:
    """Missing ones are named, and what reaches past the end is refused, wherever the file is cut."""
    sections = xc.sections(FRAMES, PAGES, VCPU)
    for name in (".xen_prstatus", ".xen_pages", ".xen_p2m"):
        with pytest.raises(StreamError, match=f"has no section {name}"):
            opened(tmp_path, xc.core({other: octets for other, octets in sections.items() if other != name}))
    order = [".note.Xen", ".xen_prstatus", ".xen_shared_info", ".xen_p2m", ".xen_pages"]
    octets = xc.core({name: sections[name] for name in order}, names_first=True)
    for size in range(100, len(octets), 997):
        with pytest.raises(DomctxError):
            opened(tmp_path, octets[:size])
    with pytest.raises(StreamError, match=r"ends before section \.xen_pages does"):
        opened(tmp_path, octets[:-1])


def test_many_sections_of_long_names(tmp_path: Path) -> None:
    """They take no room, and a message names some of those whose names could be Xen's."""
    sections = {f".{'x' * 63}{number}": b"" for number in range(900)} | {f".s{number}": b"" for number in range(99)}
    with pytest.raises(StreamError, match=r"has no section \.xen_pages\n  it has: (\S*, ){8}\.\.\.$"):
        opened(tmp_path, xc.core({".note.Xen": xc.notes(vcpus=0), **sections}))


def test_a_context_that_cannot_be(tmp_path: Path) -> None:
    """A GDT of too many entries is refused, with the file's name."""
    vcpu = bytearray(VCPU)
    vcpu[4960:4968] = (9000).to_bytes(8, "little")
    domain = opened(tmp_path, xc.core(xc.sections(FRAMES, PAGES, bytes(vcpu))))
    with pytest.raises(RecordError, match="core: the GDT has too many entries"):
        domain.state(VCPUS)
    domain.close()


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["xen4.17-pv-linux-40MiB", "xen4.17-pv-mini-4MiB"])
def test_a_core_against_the_stream_of_the_same_guest(name: str, corpus: Path, tmp_path: Path) -> None:
    """Every page is that of the stream but page tables that no vCPU used; registers are the same."""
    from domctx_xen.domain import open_domain as open_stream

    files = Corpus(corpus / "xen" / name, tmp_path)
    core = open_domain(str(files.path("core.elf")), context())
    stream = open_stream(str(files.path("save.img")), context())
    ours, theirs = need(core, PAGE_TABLES).context.types, need(stream, PAGE_TABLES).context.types & 7
    assert len(ours) <= len(theirs)
    assert not (ours & ~theirs).any() or (ours[ours > 0] == theirs[: len(ours)][ours > 0]).all()
    known = ours == theirs[: len(ours)]
    assert known.mean() > 0.99
    for first in range(0, len(ours), 1024):
        count = min(1024, len(ours) - first)
        pages = [whole(need(domain, MEMORY).read(0, first, count), 4096) for domain in (core, stream)]
        same = (pages[0] == pages[1]).all(axis=1)
        assert same[known[first : first + count]].all()
    registers, others = provide(core), provide(stream)
    assert registers is not None
    assert others is not None
    for vcpu, found in registers.vcpus.items():
        other = others.vcpus[vcpu]
        assert (found.segments, found.control["cr3"]) == (other.segments, other.control["cr3"])
        changed = {each for each in found.general if found.general[each] != other.general[each]}
        assert changed <= {"rax", "rdx"}
    users = [decode_context(need(domain, VCPUS).contexts[0]).ctrlreg[1] for domain in (core, stream)]
    assert users[0] == users[1]
    core.close()
    stream.close()


def test_frames_of_nobody() -> None:
    """Without any page no frame is the domain's."""
    nobody = Frames(np.empty(0, np.int64), np.empty(0, np.int64))
    assert nobody.pfn_of(np.array([1, 2])).tolist() == [-1, -1]
