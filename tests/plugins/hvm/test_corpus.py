"""HVM contexts that real Xen saved, against what Xen's own tool printed of the same domains.

xen-hvmctx of Xen 4.17 prints ES where it says ds, and the other way round (xenctx of the same vCPU tells); the PIT's
third channel it does not print.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from domctx_hvm.image import join, split
from domctx_hvm.irq_layout import LAPIC_NAMES
from domctx_hvm.show import shown
from domctx_hvm.types import decode_entry, encode_entry
from helpers.xen_corpus_records import HVM_NAMES, record, records, text

pytestmark = pytest.mark.corpus

HVM, PVH = HVM_NAMES
SWAPPED = {"es": "ds", "ds": "es"}
"""What xen-hvmctx calls each."""

LATER = {HVM: {"CPU.tsc", "PMTIMER.tmr_val"}, PVH: {"CPU.tsc", "CPU.rax"}}
"""What differs, for the tool ran after the save: clocks went on, and the suspend hypercall had returned 1."""

Said = dict[str, Any]
"""Numbers by our names of the fields, dotted."""


@pytest.mark.parametrize(("name", "count"), [(HVM, 1), (PVH, 1), ("xen4.17-pvh-remus-40MiB", 4)])
def test_a_real_context_comes_back_octet_for_octet(name: str, count: int, corpus: Path) -> None:
    """Every entry of a real context has fields; their objects make the same image again."""
    found = records(corpus, name, "HVM_CONTEXT")
    assert len(found) == count
    for octets in found:
        image = split(octets)
        assert join(image.entries, image.trailing) == octets
        for entry in image.entries[:-1]:
            value = decode_entry(entry)
            assert value is not None, entry.typecode
            assert encode_entry(value, len(entry.octets)) == entry.octets


@pytest.mark.parametrize("name", [HVM, PVH])
def test_a_real_context_has_the_values_that_xen_prints(name: str, corpus: Path) -> None:
    """Type, instance, length and each field of every entry are those that xen-hvmctx printed."""
    entries = shown(record(corpus, name, "HVM_CONTEXT"))["entries"]
    texts = re.split(r"^Entry ", text(corpus, name, "xen-hvmctx.txt"), flags=re.MULTILINE)[1:]
    assert len(entries) == len(texts)
    compared, wrong = 0, set()
    for entry, part in zip(entries, texts, strict=True):
        head = re.match(r"\d+: type \d+ instance (\d+), length (\d+)", part)
        assert head is not None
        assert (entry["instance"], entry["length"]) == (int(head[1]), int(head[2]))
        said = READERS.get(entry["type"], lambda part: {})(part)
        wrong |= {f"{entry['type']}.{path}" for path, value in said.items() if at(entry["fields"], path) != value}
        compared += len(said)
    assert wrong == LATER[name]
    assert compared == {HVM: 544, PVH: 226}[name]


def test_protection_keys_of_a_real_linux_are_those_that_it_starts_with(corpus: Path) -> None:
    """The component PKRU stands where its value is Linux's own default: no access but with key 0."""
    entries = shown(record(corpus, PVH, "HVM_CONTEXT"))["entries"]
    (xsave,) = (entry["fields"] for entry in entries if entry["type"] == "CPU_XSAVE")
    assert xsave["save_area"]["components"] == {"pkru": (0x5555_5554).to_bytes(8, "little").hex()}


def at(fields: Any, path: str) -> Any:
    """The value at a dotted path."""
    for step in path.split("."):
        fields = fields[int(step) if isinstance(fields, list) else step]
    return fields


def number(part: str) -> int:
    """A number as xen-hvmctx prints it: hexadecimal, with or without 0x."""
    return int(part, 16)


def header(part: str) -> Said:
    """HEADER."""
    khz = re.search(r"gtsc_khz (\d+)", part)
    assert khz is not None
    return words(part, r"(magic|changeset) (\w+)") | {"gtsc_khz": int(khz[1])} | words(part, r"version (1)", "version")


def words(part: str, pattern: str, *names: str) -> Said:
    """Numbers in hexadecimal by the word before them, or by the names given for the pattern's groups."""
    if names:
        match = re.search(pattern, part)
        assert match is not None, pattern
        return {name: number(value) for name, value in zip(names, match.groups(), strict=True)}
    return {name: number(value) for name, value in re.findall(pattern, part)}


def cpu(part: str) -> Said:
    """CPU."""
    said = words(part, r"\b(r\w{1,2}|rflags|cr\d|dr\d|tsc) +0x(\w{16})")
    for name, *values in re.findall(r"^ +(\w\w|ldtr) +(\S+) \( *(\S+) \+ +(\S+) / +(\w+)\)", part, re.MULTILINE):
        parts = zip(("sel", "base", "limit", "arbytes"), map(number, values), strict=True)
        said |= {f"{SWAPPED.get(name, name)}_{part}": value for part, value in parts}
    for name, base, limit in re.findall(r"([ig]dtr) +\( *(\S+) \+ +(\w+)\)", part):
        said |= {f"{name}_base": number(base), f"{name}_limit": number(limit)}
    msrs = {"efer": "msr_efer", "lstar": "msr_lstar", "cstar": "msr_cstar", "star": "msr_star"}
    for name, field in (msrs | {"sfmask": "msr_syscall_mask", "shadow gs": "shadow_gs", "error": "error_code"}).items():
        said |= words(part, rf"\b{name} +(\w+)", field)
    said |= words(part, r"sysenter cs (\w+) +eip (\w+) +esp (\w+)", "sysenter_cs", "sysenter_eip", "sysenter_esp")
    event = words(part, r"event (\w+)", "event")["event"]
    return said | {"pending_vector": event & 0xFF, "pending_valid": event >> 31} | fpu(part)


def fpu(part: str) -> Said:
    """The FPU of CPU."""
    said = words(part, r"\b(fcw|fsw|ftw|fop|mxcsr) (0x\w+)")
    said |= words(part, r"fpuip (\w+) fpudp (\w+)", "fip", "fdp") | words(part, r"mask (\w+)", "mxcsr_mask")
    for index, value in re.findall(r"\bmm(\d) 0x(\w{20})", part):
        said |= {f"st.{index}.exponent": number(value[:4]), f"st.{index}.mantissa": number(value[4:])}
    for index, value in re.findall(r"xmm(\d\d) 0x(\w{32})", part):
        said[f"xmm.{int(index)}"] = bytes.fromhex(value)[::-1].hex()
    rest = b"".join(bytes.fromhex(value)[::-1] for value in re.findall(r"^ +\(0x(\w{32})\)", part, re.MULTILINE))
    said |= {"reserved": rest[:48].hex(), "available": rest[48:].hex()}
    return {f"fpu_regs.{name}": value for name, value in said.items()}


def only(names: str) -> Any:
    """A reader that keeps what has one of these names."""
    return lambda part: {name: value for name, value in worded(part).items() if name in names.split()}


def worded(part: str) -> Said:
    """Every word with the number behind it."""
    return words(part, r"(\w+) ((?:0x)?[0-9a-f]+)\b")


def pic_entry(part: str) -> Said:
    """PIC."""
    names = "irr imr isr init_state priority_add readsel_isr poll auto_eoi rotate_on_auto_eoi is_master elcr int_output"
    both = only(f"{names} special_fully_nested_mode special_mask_mode")(part)
    return {**both, **words(part, r"IRQ base (\w+)", "irq_base")}


def ioapic(part: str) -> Said:
    """IOAPIC."""
    said: Said = only("base_address ioregsel id")(part)
    for pin, value in re.findall(r"pin (\d+): 0x(\w{16})", part):
        bits, path = number(value), f"redirtbl.{int(pin)}"
        said |= {f"{path}.vector": bits & 0xFF, f"{path}.delivery_mode": bits >> 8 & 7, f"{path}.mask": bits >> 16 & 1}
        said |= {f"{path}.dest_id": bits >> 56, f"{path}.trig_mode": bits >> 15 & 1}
    return said


def lapic_regs(part: str) -> Said:
    """LAPIC_REGS."""
    found = re.findall(r"0x(\w{3}): 0x(\w{8})", part)
    assert len(found) == 64
    return {LAPIC_NAMES.get(number(at) // 16, f"unused_{at}"): number(value) for at, value in found}


def pit(part: str) -> Said:
    """PIT."""
    said: Said = {}
    for channel, told in enumerate(re.split(r"ch \d: ", part)[1:]):
        values = worded(told.replace("rd_state", "read_state").replace("wr_", "write_"))
        said |= {f"channels.{channel}.{name}": value for name, value in values.items()}
    return said


def rtc(part: str) -> Said:
    """RTC."""
    octets = re.findall(r"0x(\w\w)\b", part)
    return {"cmos_data": "".join(octets[:14]), "cmos_index": number(octets[14])}


def hpet(part: str) -> Said:
    """HPET."""
    said = words(
        part, r"capability (\w+) config (\w+)\s+isr (\w+) counter (\w+)", "capability", "config", "isr", "mc64"
    )
    for index, config, cmp in re.findall(r"timer(\d) config (\w+) cmp (\w+)", part):
        said |= {f"timers.{index}.config": number(config), f"timers.{index}.cmp": number(cmp)}
    for index, period, fsb in re.findall(r"timer(\d) period +(\w+) fsb +(\w+)", part):
        said |= {f"period.{index}": number(period), f"timers.{index}.fsb": number(fsb)}
    return said


def mtrr(part: str) -> Said:
    """MTRR."""
    names = ("msr_pat_cr", "msr_mtrr_cap", "msr_mtrr_def_type")
    said = words(part, r"PAT (\w+), cap (\w+), default (\w+)", *names)
    for index, base, mask in re.findall(r"var (\d) +(\w+) +(\w+)", part):
        said |= {f"msr_mtrr_var.{2 * int(index)}": number(base), f"msr_mtrr_var.{2 * int(index) + 1}": number(mask)}
    for index, value in re.findall(r"fixed (\w\w) +(\w+)", part):
        said[f"msr_mtrr_fixed.{number(index)}"] = number(value)
    return said


def pci_link(part: str) -> Said:
    """PCI_LINK."""
    return {"route": [int(value) for value in re.findall(r"LINK: (\d+) (\d+) (\d+) (\d+)", part)[0]]}


READERS: dict[str, Any] = {
    "HEADER": header,
    "CPU": cpu,
    "PIC": pic_entry,
    "IOAPIC": ioapic,
    "LAPIC": lambda part: words(
        part, r"base_msr (\w+), disabled (\w+), timer_divisor (\w+)", "apic_base_msr", "disabled", "timer_divisor"
    ),
    "LAPIC_REGS": lapic_regs,
    "PCI_IRQ": lambda part: words(part, r"IRQs: 0x(\w{16})(\w{16})", "asserted.0", "asserted.1"),
    "ISA_IRQ": lambda part: words(part, r"IRQs: (\w+)", "asserted"),
    "PCI_LINK": pci_link,
    "PIT": pit,
    "RTC": rtc,
    "HPET": hpet,
    "PMTIMER": lambda part: words(
        part, r"TMR_VAL (\w+), PM1a_STS (\w+), PM1a_EN (\w+)", "tmr_val", "pm1a_sts", "pm1a_en"
    ),
    "MTRR": mtrr,
    "VMCE_VCPU": lambda part: words(part, r"caps (\w+)", "caps"),
    "TSC_ADJUST": lambda part: words(part, r"tsc_adjust (\w+)$", "tsc_adjust"),
}
"""What xen-hvmctx printed of an entry, by our names; CPU_XSAVE it does not understand."""
