"""The registers in vCPU contexts of Xen's paravirtualised guests."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import attrs
import pytest

from domctx.api import Machine, StateKey
from domctx.states import VCPUS, VcpuContext
from domctx.testing.domains import StatesDomain
from domctx_cpu import CPU_MSRS, CPU_XSAVE, StoredVcpuParts, StoredVcpus
from domctx_cpu.contexts import body_of, context_of, join, split, vcpu_context
from domctx_cpu.plugin import domctx_state_providers
from domctx_cpu.xen_registers import provide, unfolded
from domctx_x86.states import REGISTERS
from domctx_x86.vcpu import NARROW, WIDE, Registers, Segment
from helpers.vcpu_states import plain_context
from helpers.xen_corpus_records import PV_NAMES, record, text

MACHINE = Machine("test", "x86_64")
FLAT = 0xFFFF_FFFF


def composed(size: int, *words: tuple[int, int, int]) -> bytes:
    """Octets of zeros but for (offset, width, value)."""
    octets = bytearray(size)
    for offset, width, value in words:
        octets[offset : offset + width] = value.to_bytes(width, "little")
    return bytes(octets)


GENERAL64 = ["r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"]
"""In the order of user_regs, 8 octets each from 520 on (formats/xen.md 4.6)."""
GENERAL32 = ["rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rax"]
"""The same of a 32-bit guest, 4 octets each from 516 on, by their wide names."""


def wide(*words: tuple[int, int, int]) -> bytes:
    """A 64-bit context whose registers can be told apart: kernel mode, FPU valid."""
    return composed(
        5168,
        *((520 + 8 * index, 8, 0x6400 + index) for index in range(15)),
        (648, 8, 0xFFFF_FFFF_8100_0000),  # rip
        (656, 2, 0xE033),  # cs
        (664, 8, 0x246),  # rflags
        (672, 8, 0xFFFF_C900_0000_0000),  # rsp
        (680, 2, 0xE02B),  # ss
        (696, 2, 0x2B),  # ds
        (512, 8, 0x25),  # flags
        (4816, 8, 0xFFFF_8800_0001_0000),  # ldt_base
        (4824, 8, 2),  # ldt_ents
        (4984, 8, 0x8005_0033),  # cr0
        (4992, 8, 0x1F8_9001),  # cr1
        (5000, 8, 0x1234),  # cr2
        (5008, 8, 0x1F8_8000),  # cr3
        (5016, 8, 0x5_0660),  # cr4
        (5048 + 48, 8, 0xFFFF_0FF0),  # db6
        (5112, 8, 0xE1),  # event callback
        (5120, 8, 0xE2),
        (5128, 8, 0xE3),
        (5136, 8, 0x2D),
        (5144, 8, 0xF5),  # fs_base
        (5152, 8, 0x61),  # gs_base_kernel
        (5160, 8, 0x62),  # gs_base_user
        (24, 4, 0x1F80),  # fpu: mxcsr
        *words,
    )


def narrow(*words: tuple[int, int, int]) -> bytes:
    """A 32-bit context whose registers can be told apart."""
    return composed(
        2800,
        *((516 + 4 * index, 4, 0x3200 + index) for index in range(7)),
        (548, 4, 0xC100_0000),  # eip
        (552, 2, 0xE019),  # cs
        (556, 4, 0x246),  # eflags
        (560, 4, 0xC200_0000),  # esp
        (564, 2, 0xE021),  # ss
        (568, 2, 0x7B),  # es
        (512, 4, 0x25),  # flags
        (2716, 4, 0x8005_0033),
        (2716 + 12, 4, 0xABCD_E012),  # cr3 of frame 0x012ABCDE, folded
        (2716 + 16, 4, 0x620),
        (2748 + 28, 4, 0x400),  # db7
        (2780, 4, 0xE019),
        (2784, 4, 0xC300_0000),
        *words,
    )


def registers(abi: str, octets: bytes, xsave: bytes = b"", msrs: bytes = b"") -> Registers:
    """The registers of vCPU 4 of a domain with this context."""
    states: dict[StateKey[Any], Any] = {
        VCPUS: StoredVcpus({4: VcpuContext(abi, octets)}),
        CPU_XSAVE: StoredVcpuParts({4: xsave} if xsave else {}),
        CPU_MSRS: StoredVcpuParts({4: msrs} if msrs else {}),
    }
    found = provide(StatesDomain(MACHINE, states))
    assert found is not None
    return found.vcpus[4]


def test_the_registers_of_a_64_bit_vcpu() -> None:
    """Every register of a 64-bit context is found by its name; CR3 is the kernel's, without its low bits."""
    found = registers("xen-x86_64", wide())
    assert found.architecture == WIDE
    told = {name: 0x6400 + index for index, name in enumerate(GENERAL64)}
    rest = {"rip": 0xFFFF_FFFF_8100_0000, "rflags": 0x246, "rsp": 0xFFFF_C900_0000_0000}
    assert dict(found.general) == told | rest
    assert found.control == {"cr0": 0x8005_0033, "cr2": 0x1234, "cr3": 0x1F8_8000, "cr4": 0x5_0660}
    assert found.debug == (0, 0, 0, 0, 0, 0, 0xFFFF_0FF0, 0)
    assert found.msrs == {"efer": 0x500, "kernelgsbase": 0x62}
    assert found.state["user_cr3"] == 0x1F8_9000
    assert (found.state["event_callback_eip"], found.state["syscall_callback_eip"]) == (0xE1, 0xE3)
    assert (found.fpu_control["mxcsr"], found.ymm) == (0x1F80, ())


def test_the_segments_of_a_64_bit_vcpu_are_flat() -> None:
    """Selectors are the context's; code is of 64 bits, what has a selector is flat, the privilege is that of CS."""
    found = registers("xen-x86_64", wide()).segments
    assert found["cs"] == Segment(0xE033, 0, FLAT, 0x00A0_FB00)
    assert found["ss"] == Segment(0xE02B, 0, FLAT, 0x00C0_F300)
    assert found["ds"] == Segment(0x2B, 0, FLAT, 0x00C0_F300)
    assert found["es"] == Segment(0, 0, 0, 0)
    assert (found["fs"].base, found["gs"].base) == (0xF5, 0x61)
    assert found["ldt"] == Segment(0, 0xFFFF_8800_0001_0000, 15, 0)
    assert "gdt" not in found
    assert registers("xen-x86_64", wide()).cpl == 3


def test_user_mode_has_the_other_gs_base() -> None:
    """Outside the kernel the base of GS is the user's, and the kernel's is the one to swap in."""
    found = registers("xen-x86_64", wide((512, 8, 0x21)))
    assert (found.segments["gs"].base, found.msrs["kernelgsbase"]) == (0x62, 0x61)


def test_32_bit_code_of_a_64_bit_guest_is_told() -> None:
    """Xen's own selector of 32-bit code in 64-bit guests is a 32-bit segment."""
    assert registers("xen-x86_64", wide((656, 2, 0xE023))).segments["cs"].flags == 0x00C0_FB00


def test_the_registers_of_a_32_bit_vcpu() -> None:
    """Every register of a 32-bit context is found by its wide name; CR3 is unfolded, above 4 GiB if it must be."""
    found = registers("xen-x86_32", narrow())
    assert found.architecture == NARROW
    told = {name: 0x3200 + index for index, name in enumerate(GENERAL32)}
    assert dict(found.general) == told | {"rip": 0xC100_0000, "rflags": 0x246, "rsp": 0xC200_0000}
    assert found.control == {"cr0": 0x8005_0033, "cr2": 0, "cr3": 0x012A_BCDE << 12, "cr4": 0x620}
    assert found.segments["cs"] == Segment(0xE019, 0, FLAT, 0x00C0_BB00)
    assert found.segments["es"] == Segment(0x7B, 0, FLAT, 0x00C0_B300)
    assert found.segments["fs"] == Segment(0, 0, 0, 0)
    assert (found.cpl, found.debug[7], len(found.xmm)) == (1, 0x400, 8)
    assert (found.state["event_callback_cs"], found.state["event_callback_eip"]) == (0xE019, 0xC300_0000)


@pytest.mark.parametrize(("frame", "cr3"), [(0, 0), (0x43, 0x43000), (0xFFFFF, 0xFFFFF000), (0x1ABCDE, 0xABCDE001)])
def test_cr3_is_unfolded(frame: int, cr3: int) -> None:
    """The frame's bits above 20 stand in CR3's low bits."""
    assert (frame << 12 | frame >> 20) & 0xFFFF_FFFF == cr3
    assert unfolded(cr3) == frame


def test_the_registers_of_2004() -> None:
    """A context of 2004 gives its registers, two-level page tables by their PFN, and no FPU (half of it was lost)."""
    context = attrs.evolve(plain_context(), pt_base=9 << 12)
    found = registers("xen-2004-i386", vcpu_context(context).octets)
    assert (found.general["rax"], found.general["rip"]) == (context.cpu_ctxt.eax, context.cpu_ctxt.eip)
    assert found.control == {"cr0": 0x8000_0001, "cr3": 9 << 12, "cr4": 0}
    assert (found.cpl, found.segments["cs"].selector, found.xmm) == (1, 0x0819, ())
    assert found.segments["ldt"] == Segment(0, 0xC010_0000, 39, 0)


def test_an_fpu_that_is_not_valid_is_left_out() -> None:
    """A context without VGCF_i387_valid has no FPU registers."""
    found = registers("xen-x86_64", wide((512, 8, 0x24)))
    assert (found.fpu, found.xmm, found.fpu_control) == ((), (), {})


def test_what_stands_beside_the_context_is_added() -> None:
    """CPU_XSAVE gives the upper halves of the YMM registers, CPU_MSRS registers by name or number."""
    xsave = struct.pack("<QQ", 7, 7) + bytes(512) + struct.pack("<Q", 7) + bytes(56) + bytes(range(256))
    found = registers("xen-x86_64", wide(), xsave, struct.pack("<IIQIIQ", 0xC0000103, 0, 5, 0x48, 0, 6))
    assert found.ymm[1] == int.from_bytes(bytes(range(16, 32)), "little")
    assert (found.msrs["tsc_aux"], found.msrs["0x00000048"]) == (5, 6)
    cut = registers("xen-x86_64", wide(), xsave[:100], b"abc")
    assert (cut.ymm, list(cut.msrs)) == ((), ["efer", "kernelgsbase"])


def test_registers_are_a_state_of_domains_with_contexts_of_xens() -> None:
    """REGISTERS is derived from VCPUS where all contexts are Xen's, with or without what stands beside them."""
    (provider,) = domctx_state_providers()
    assert (provider.key, provider.owned) == (REGISTERS, False)
    one = VcpuContext("xen-x86_64", wide())
    state = provider.provide(StatesDomain(MACHINE, {VCPUS: StoredVcpus({1: one, 0: one})}))
    assert state is not None
    assert list(state.vcpus) == [0, 1]
    assert state.vcpus[1].general["rip"] == 0xFFFF_FFFF_8100_0000
    for contexts in ({}, {0: one, 1: VcpuContext("qemu-x86_64-v12", b"")}):
        assert provider.provide(StatesDomain(MACHINE, {VCPUS: StoredVcpus(contexts)})) is None
    assert provider.provide(StatesDomain(MACHINE, {})) is None


LATER = {"rax", "rdx", "cr3"}
"""xenctx ran after the suspend hypercall had returned 1 to a domain with machine frames in CR3 and start_info."""


@pytest.mark.corpus
@pytest.mark.parametrize("name", PV_NAMES)
def test_registers_are_those_that_xenctx_printed(name: str, corpus: Path) -> None:
    """The registers of a real vCPU are those that Xen's own tool shows of it."""
    body = record(corpus, name, "X86_PV_VCPU_BASIC")
    assert struct.unpack_from("<II", body) == (0, 0)
    context, gdt = split(VcpuContext("xen-x86_64", body[8:]))
    assert len(gdt.frames) == (gdt.entries + 511) // 512
    found = registers(context.abi, context.octets, record(corpus, name, "X86_PV_VCPU_XSAVE")[8:])
    told = text(corpus, name, "xenctx.vcpu0.txt").partition("Code")[0]
    values = {**found.general, **found.control, **{f"dr{number}": value for number, value in enumerate(found.debug)}}
    values |= {name: segment.selector for name, segment in found.segments.items()}
    values |= {"flags": found.general["rflags"]}
    said = {word: int(value, 16) for word, value in re.findall(r"\b(\w{2,5}): +([0-9a-f]+)\b", told)}
    assert len(said) == 34
    assert {word for word, value in said.items() if values[word] != value} <= LATER
    bases = re.search(r"gs: \w+ @ (\w+)/(\w+)", told)
    assert bases is not None
    assert found.segments["gs"].base == int(bases[1], 16)


@pytest.mark.corpus
@pytest.mark.parametrize("name", [*PV_NAMES, "xen4.17-pv-linux-40MiB-checkpoint", "xen4.14-pv-live-migration-40MiB"])
def test_real_contexts_come_back_octet_for_octet(name: str, corpus: Path) -> None:
    """A context that real Xen saved is split into the states that are kept of it, and joined to the same octets."""
    body = record(corpus, name, "X86_PV_VCPU_BASIC")
    context, gdt = split(VcpuContext("xen-x86_64", body[8:]))
    assert join(context, gdt).octets == body[8:]
    assert context_of(body_of(context)) == context
