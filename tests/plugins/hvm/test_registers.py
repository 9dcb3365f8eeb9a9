"""The registers in an HVM context."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domctx.api import Machine
from domctx.errors import RecordError
from domctx.testing.domains import StatesDomain
from domctx_hvm import HVM_CONTEXT, StoredHvmContext
from domctx_hvm.plugin import domctx_state_providers
from domctx_hvm.registers import HvmRegisters
from domctx_x86.states import REGISTERS
from domctx_x86.vcpu import WIDE, Registers, Segment
from helpers.hvm_golden import golden
from helpers.hvm_states import entry, image
from helpers.xen_corpus_records import HVM_NAMES, record, text

MACHINE = Machine("test", "x86_64")


def registers(*stems: str, vcpu: int = 3) -> Registers:
    """The registers of the vCPU of the entries of golden files."""
    found = [golden(stem) for stem in stems]
    return HvmRegisters(image(*(entry(each.typecode, each.body, vcpu) for each in found))).vcpus[vcpu]


def test_registers_are_those_of_the_entry() -> None:
    """General, control and debug registers, MSRs and tables have the values of the CPU entry."""
    said, found = golden("cpu").fields, registers("cpu")
    assert said is not None
    assert found.architecture == WIDE
    assert list(found.general) == [
        *("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"),
        *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip", "rflags"),
    ]
    for name, value in {**found.general, **found.control}.items():
        assert value == said[name], name
    assert found.debug == (*(said[f"dr{number}"] for number in range(4)), 0, 0, said["dr6"], said["dr7"])
    msrs = {"efer": "msr_efer", "star": "msr_star", "lstar": "msr_lstar", "cstar": "msr_cstar", "tsc": "tsc"}
    for name, field in (msrs | {"fmask": "msr_syscall_mask", "kernelgsbase": "shadow_gs"}).items():
        assert found.msrs[name] == said[field], name
    assert found.msrs["tsc_aux"] == said["msr_tsc_aux"]
    assert found.segments["gdt"] == Segment(0, said["gdtr_base"], said["gdtr_limit"], 0)
    assert found.segments["idt"] == Segment(0, said["idtr_base"], said["idtr_limit"], 0)
    assert found.state == {"pending_event": 0x8000_0B0E, "error_code": said["error_code"]}
    assert found.apic is None


@pytest.mark.parametrize(("index", "name"), list(enumerate(["cs", "ds", "es", "fs", "gs", "ss", "tr", "ldt"])))
def test_access_rights_stand_where_a_descriptor_has_them(index: int, name: str) -> None:
    """A segment's flags are those of a descriptor's second word: access octet in bits 8-15, AVL, L, D/B, G in 20-23."""
    said, body = golden("cpu").fields, bytearray(golden("cpu").body)
    assert said is not None
    body[888 + 4 * index : 892 + 4 * index] = (0x0193 + 0x101 * index).to_bytes(4, "little")
    segment = HvmRegisters(image(entry(2, bytes(body)))).vcpus[0].segments[name]
    assert segment.flags == (0x93 + index) << 8 | (1 + index) << 20
    ours = "ldtr" if name == "ldt" else name
    parts = tuple(said[f"{ours}_{part}"] for part in ("sel", "base", "limit"))
    assert (segment.selector, segment.base, segment.limit) == parts


def test_access_rights_as_intels_processors_have_them_are_read() -> None:
    """Rights whose AVL to G stand in bits 12 to 15, as old Xen wrote them on Intel's processors, mean the same."""
    old, new = bytearray(1032), bytearray(1032)
    old[888:892], new[888:892] = (0xA09B).to_bytes(4, "little"), (0x0A9B).to_bytes(4, "little")
    found = [HvmRegisters(image(entry(2, bytes(body)))).vcpus[0].segments["cs"] for body in (old, new)]
    assert found == [Segment(0, 0, 0, 0x00A0_9B00)] * 2


def test_the_old_form_has_the_same_registers() -> None:
    """The form of before Xen 3.4 gives its registers, without TSC_AUX."""
    said, found = golden("cpu-1016").fields, registers("cpu-1016")
    assert said is not None
    assert (found.general["rip"], found.msrs["tsc"]) == (said["rip"], said["tsc"])
    assert "tsc_aux" not in found.msrs


def test_the_fpu_is_told_where_it_is_initialised() -> None:
    """An entry that says that the FPU is not initialised has no FPU; one that is too old to say so has."""
    body = bytearray(golden("cpu").body)
    body[1024:1028] = bytes(4)
    found = HvmRegisters(image(entry(2, bytes(body)))).vcpus[0]
    assert (found.fpu, found.xmm, found.fpu_control) == ((), (), {})
    for stem in ("cpu", "cpu-1024", "cpu-1016"):
        assert registers(stem).fpu_control["mxcsr"] == 0x1FA0
        assert registers(stem).xmm[1] == int.from_bytes(bytes(range(16, 32)), "little")


def test_other_entries_of_the_vcpu_add_to_it() -> None:
    """MTRR gives PAT, TSC_ADJUST itself, LAPIC the APIC, CPU_XSAVE XCR0 and the upper halves of the YMM registers."""
    found = registers("cpu", "mtrr", "tsc_adjust", "lapic", "lapic_regs", "cpu_xsave")
    said, regs = golden("tsc_adjust").fields, golden("lapic_regs").fields
    assert said is not None
    assert regs is not None
    assert (found.msrs["pat"], found.msrs["tsc_adjust"]) == (0x7040600070406, said["tsc_adjust"])
    assert found.apic is not None
    assert (found.apic["apicbase"], found.apic["tpr"], found.apic["irr7"]) == (0xFEE00D00, regs["tpr"], regs["irr7"])
    assert found.state["xcr0"] == 3
    assert found.ymm[1] == int.from_bytes(bytes(range(16, 32)), "little")
    assert registers("cpu").ymm == ()


def test_a_cut_area_gives_no_upper_halves() -> None:
    """An XSAVE area that is shorter than its fixed part is not looked at."""
    cut = entry(16, golden("cpu_xsave").body[:100], 3)
    assert HvmRegisters(image(entry(2, golden("cpu").body, 3), cut)).vcpus[3].ymm == ()


def test_vcpus_are_those_with_a_cpu_entry() -> None:
    """A vCPU without a CPU entry has no registers; the last CPU entry of a vCPU counts, as Xen loads them in order."""
    said = golden("cpu").body
    found = HvmRegisters(image(entry(2, bytes(1032), 1), entry(2, said, 1), entry(2, said, 0), entry(19, bytes(8), 5)))
    assert list(found.vcpus) == [0, 1]
    assert found.vcpus[1] == found.vcpus[0]


def test_an_entry_of_an_unknown_length_is_refused() -> None:
    """A CPU entry that is longer than any known is refused when its registers are asked for, with its place."""
    found = HvmRegisters(image(entry(2, bytes(1040), 7))).vcpus
    with pytest.raises(RecordError, match=r"CPU\[7\] has no known length; expected at most 0x00000408 octets, got 0x"):
        found[7]


def test_registers_are_a_state_of_domains_with_an_hvm_context() -> None:
    """REGISTERS is derived from HVM_CONTEXT, and from nothing where there is none."""
    (provider,) = domctx_state_providers()
    assert (provider.key, provider.owned) == (REGISTERS, False)
    octets = image(entry(2, golden("cpu").body))
    state = provider.provide(StatesDomain(MACHINE, {HVM_CONTEXT: StoredHvmContext(octets)}))
    assert state is not None
    assert list(state.vcpus) == [0]
    assert provider.provide(StatesDomain(MACHINE, {HVM_CONTEXT: StoredHvmContext()})) is None
    assert provider.provide(StatesDomain(MACHINE, {})) is None


@pytest.mark.corpus
@pytest.mark.parametrize("name", HVM_NAMES)
def test_registers_are_those_that_xenctx_printed(name: str, corpus: Path) -> None:
    """General, segment, control and debug registers of a real vCPU are those that Xen's own tool shows of it."""
    found = HvmRegisters(record(corpus, name, "HVM_CONTEXT")).vcpus[0]
    told = text(corpus, name, "xenctx.vcpu0.txt").partition("Code")[0]
    if "cs:eip" in told:  # what runs in 16 bits is shown otherwise
        assert f"{found.segments['cs'].selector:04x}:{found.general['rip']:08x}" in told
        assert f"{found.segments['ss'].selector:04x}:{found.general['rsp']:08x}" in told
    values = {**found.general, **found.control, **{f"dr{number}": value for number, value in enumerate(found.debug)}}
    values |= {name: segment.selector for name, segment in found.segments.items()}
    said = re.findall(r"(?<!:)\b(\w{2,3}): +([0-9a-f]+)\b", told)
    compared = 0
    for word, value in said:
        ours = f"r{word[1:]}" if word.startswith("e") and word != "es" else word
        if ours in values and ours != "rax":  # the tool ran after the suspend hypercall had returned
            assert values[ours] == int(value, 16), word
            compared += 1
    assert compared >= 19
