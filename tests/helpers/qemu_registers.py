"""What ``info registers`` prints, read back; and sections ``cpu`` of every version, composed from the reference."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from domctx_x86.vcpu import ATTRIBUTES, Registers

SEGMENT = re.compile(r"^(ES|CS|SS|DS|FS|GS|LDT|TR) ?=([0-9a-f]{4}) ([0-9a-f]+) ([0-9a-f]{8}) ([0-9a-f]{8})", re.M)
TABLE = re.compile(r"^(GDT|IDT)= +([0-9a-f]+) ([0-9a-f]{8})", re.M)
WORD = re.compile(r"\b([A-Z][A-Z0-9]+) ?=([0-9a-f]+)\b")
VECTOR = re.compile(r"\b[XY]MM([0-9]{2})=((?:[0-9a-f]{16} ?)+)")
FLOAT = re.compile(r"\bFPR([0-7])=([0-9a-f]{16}) ([0-9a-f]{4})")
NAMES = {"EFL": "rflags", "RFL": "rflags", "EIP": "rip", "RIP": "rip"}
SKIPPED = {
    "ES",
    "CS",
    "SS",
    "DS",
    "FS",
    "GS",
    "TR",
    "GDT",
    "IDT",
    "LDT",
    "CPL",
    "DPL",
    "II",
    "HLT",
    "CCS",
    "CCD",
    "CCO",
    "ST",
}


def expected(text: str) -> Iterator[tuple[str, int, int]]:
    """(name, value, width in bits) of everything that one vCPU's text tells."""
    for name, selector, base, limit, flags in SEGMENT.findall(text):
        low = name.lower()
        yield f"{low}.selector", int(selector, 16), 16
        yield f"{low}.base", int(base, 16), 4 * len(base)
        yield f"{low}.limit", int(limit, 16), 32
        yield f"{low}.flags", int(flags, 16), 32
    for name, base, limit in TABLE.findall(text):
        yield f"{name.lower()}.base", int(base, 16), 4 * len(base)
        yield f"{name.lower()}.limit", int(limit, 16), 32
    for name, value in WORD.findall(text):
        if name not in SKIPPED and not name.startswith(("XMM", "YMM", "FPR")):
            yield NAMES.get(name, name.lower()), int(value, 16), 4 * len(value)
    for number, words in VECTOR.findall(text):
        yield f"xmm{int(number)}", int(words.replace(" ", "")[-32:], 16), 128
    for number, mantissa, exponent in FLOAT.findall(text):
        yield f"fpr{number}", int(mantissa, 16) << 16 | int(exponent, 16), 80
    for name in ("CPL", "HLT", "II"):
        found = re.search(rf"\b{name}=([0-3])\b", text)
        if found:
            yield name.lower(), int(found[1]), 8


def told(registers: Registers) -> dict[str, int]:
    """The same of what was decoded, by the same names."""
    values: dict[str, int] = dict(registers.general) | dict(registers.control)
    for name, segment in registers.segments.items():
        for part in ("selector", "base", "limit", "flags"):
            values[f"{name}.{part}"] = getattr(segment, part)
        values[f"{name}.flags"] &= ATTRIBUTES
    values |= {f"dr{number}": value for number, value in enumerate(registers.debug)}
    values |= {f"xmm{number}": value for number, value in enumerate(registers.xmm)}
    values |= {f"fpr{number}": mantissa << 16 | exponent for number, (mantissa, exponent) in enumerate(registers.fpu)}
    control = registers.fpu_control
    hflags, a20 = registers.state["hflags"], registers.state["a20_mask"]
    assert isinstance(hflags, int)
    values |= {"fcw": control["fpuc"], "fsw": control["fpus"], "ftw": control["fptag"], "mxcsr": control["mxcsr"]}
    values |= {
        "efer": registers.msrs["efer"],
        "cpl": registers.cpl,
        "hlt": int(bool(registers.halted)),
        "a20": int(a20 == -1),
    }
    values |= {"smm": hflags >> 19 & 1, "ii": hflags >> 3 & 1}
    short = {"e" + name[1:]: value for name, value in values.items() if re.fullmatch(r"r[a-d]x|r[sb]p|r[sd]i", name)}
    return values | short


def different(text: str, registers: Registers) -> dict[str, tuple[str, str]]:
    """What was decoded otherwise than ``text`` prints it: (printed, decoded)."""
    found = told(registers)
    return {
        name: (f"{value:x}", f"{found[name] & (1 << width) - 1:x}")
        for name, value, width in expected(text)
        if found[name] & (1 << width) - 1 != value
    }


def section(version: int, wide: bool, values: Mapping[str, Any]) -> bytes:
    """A section of any version: each number is its place in order, or that of ``values``."""
    out = _Writer(wide, values)
    out.numbers("general", "L", 18 if wide else 10)
    out.numbers("hflags", "I")
    out.numbers("fpu_control", "H", 3)
    out.octets += struct.pack(">H", values.get("fpregs_format", 0))
    out.numbers("fpu", "Q" if values.get("fpregs_format") else "QH", 8)
    for name in ("es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr", "gdt", "idt"):
        out.numbers(name, "ILII")
    out.numbers("sysenter", "III" if version <= 6 else "ILL")
    out.numbers("control", "L", 4)
    out.numbers("debug", "L", 8)
    out.numbers("a20_mask", "I")
    out.numbers("mxcsr", "I")
    out.numbers("xmm", "Q", 32 if wide else 16)
    out.numbers("long", "Q", 6 if wide else 0)
    out.numbers("smbase", "I")
    if version >= 5:
        out.numbers("svm", "QI" + ("I" if version == 5 else "") + "QQQQHHHHIB")
    if version >= 8:
        out.numbers("mtrr", "Q", 28)
    if version >= 9:
        out.numbers("late", "IIQ")
    if version == 10:
        out.numbers("mcg_cap", "Q")
        if values.get("mcg_cap"):
            out.numbers("mcg", "Q", 2 + 4 * values["mcg_cap"])
    if version >= 11:
        out.numbers("exceptions", "IBBBBI" + 46 * "Q")
    if version >= 12:
        out.numbers("avx", "Q", 2 + (32 if wide else 16))
    return out.octets


class _Writer:
    """Numbers one behind the other."""

    def __init__(self, wide: bool, values: Mapping[str, Any]) -> None:
        self.octets, self._wide, self._values, self._count = b"", wide, values, 0

    def numbers(self, name: str, form: str, times: int = 1) -> None:
        """Numbers of a struct format; L is 8 or 4 octets wide."""
        for letter in form * times:
            self._count += 1
            value = self._values.get(name, self._count)
            size = {"L": "Q" if self._wide else "I"}.get(letter, letter)
            self.octets += struct.pack(">" + size, value & (1 << 8 * struct.calcsize(size)) - 1)
