"""The section ``cpu`` of x86 machines, versions 4 to 12, of 64-bit and of 32-bit emulators (formats/qemu.md 3.3, 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from domctx.errors import RecordError, UnsupportedError
from domctx.states import DeviceSection
from domctx_x86.vcpu import NARROW, WIDE, Registers, Segment

CPU: Final = "cpu"
SUBSECTION: Final = b"\x05"
VERSIONS: Final = range(4, 13)

GENERAL: Final = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)))
SEGMENTS: Final = ("es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr", "gdt", "idt")
LONG_MSRS: Final = ("efer", "star", "lstar", "cstar", "fmask", "kernelgsbase")
EFER32: Final = b"\x05\x0acpu/efer32\x00\x00\x00\x01"
"""The head of the subsection in which 32-bit emulators keep EFER."""
MCE_BANKS: Final = 40


class _Reader:
    """A place in the section; numbers are big-endian. Raises RecordError where it ends first."""

    def __init__(self, octets: bytes, version: int, wide: bool) -> None:
        self.octets, self.version, self.place, self.wide = octets, version, 0, wide
        self.long = 8 if wide else 4
        self.count = 16 if wide else 8

    def number(self, size: int, *, signed: bool = False) -> int:
        """The next number."""
        octets = self.octets[self.place : self.place + size]
        if len(octets) < size:
            raise RecordError("a section cpu ends early", offset=len(self.octets))
        self.place += size
        return int.from_bytes(octets, "big", signed=signed)

    def numbers(self, size: int, count: int) -> tuple[int, ...]:
        """The next numbers."""
        return tuple(self.number(size) for _ in range(count))

    def segment(self) -> Segment:
        """A segment register."""
        return Segment(self.number(4), self.number(self.long), self.number(4), self.number(4))

    def vector(self) -> int:
        """128 bits: two numbers of 64, the low one first."""
        return self.number(8) | self.number(8) << 64


def decode(octets: bytes, version: int, architecture: str) -> Registers:
    """The registers in a section. Raises UnsupportedError for a version that is not known, RecordError for a cut."""
    return _decoded(_reader(octets, version, architecture))


def length_of(octets: bytes, version: int, architecture: str) -> int:
    """Octets of a section's fixed part; subsections follow. Raises as ``decode``."""
    reader = _reader(octets, version, architecture)
    _decoded(reader)
    return reader.place


def _reader(octets: bytes, version: int, architecture: str) -> _Reader:
    if version not in VERSIONS:
        expected, got = f"{VERSIONS[0]} to {VERSIONS[-1]}", version
        raise UnsupportedError("section cpu has a version that is not known", expected=expected, got=got)
    return _Reader(octets, version, architecture == WIDE)


def _decoded(reader: _Reader) -> Registers:
    general = dict(zip(GENERAL, reader.numbers(reader.long, reader.count), strict=False))
    general |= {"rip": reader.number(reader.long), "rflags": reader.number(reader.long)}
    state: dict[str, int | tuple[int, ...]] = {"hflags": reader.number(4)}
    fpu_control = dict(zip(("fpuc", "fpus", "fptag", "fpregs_format"), reader.numbers(2, 4), strict=True))
    fpu = tuple((reader.number(8), 0 if fpu_control["fpregs_format"] else reader.number(2)) for _ in range(8))
    segments = {name: reader.segment() for name in SEGMENTS}
    msrs = _sysenter(reader)
    control = dict(zip(("cr0", "cr2", "cr3", "cr4"), reader.numbers(reader.long, 4), strict=True))
    debug = reader.numbers(reader.long, 8)
    state["a20_mask"] = reader.number(4, signed=True)
    fpu_control["mxcsr"] = reader.number(4)
    xmm = tuple(reader.vector() for _ in range(reader.count))
    if reader.wide:
        msrs |= dict(zip(LONG_MSRS, reader.numbers(8, 6), strict=True))
    ymm = _by_version(reader, state, msrs)
    _efer(reader.octets, reader.place, msrs)
    return Registers(
        architecture=WIDE if reader.wide else NARROW,
        general=general,
        segments=segments,
        control=control,
        debug=debug,
        msrs=msrs,
        fpu=fpu,
        fpu_control=fpu_control,
        xmm=xmm,
        ymm=ymm,
        state=state,
    )


def _sysenter(reader: _Reader) -> dict[str, int]:
    size = 4 if reader.version <= 6 else reader.long
    return {"sysenter_cs": reader.number(4), "sysenter_esp": reader.number(size), "sysenter_eip": reader.number(size)}


def _by_version(reader: _Reader, state: dict[str, Any], msrs: dict[str, int]) -> tuple[int, ...]:
    """What stands behind the registers that every version has; the upper halves of YMM registers, if there are any."""
    state["smbase"] = reader.number(4)
    if reader.version >= 5:
        _svm(reader, state, msrs)
    if reader.version >= 8:
        state |= {"mtrr_fixed": reader.numbers(8, 11), "mtrr_deftype": reader.number(8)}
        state["mtrr_var"] = reader.numbers(8, 16)
    if reader.version >= 9:
        state |= {"interrupt_injected": reader.number(4, signed=True), "mp_state": reader.number(4)}
        msrs["tsc"] = reader.number(8)
    return _late(reader, state, msrs)


def _svm(reader: _Reader, state: dict[str, Any], msrs: dict[str, int]) -> None:
    """From version 5 on."""
    msrs["pat"] = reader.number(8)
    state["hflags2"] = reader.number(4)
    if reader.version == 5:
        state["halted"] = reader.number(4)
    for name in ("vm_hsave", "vm_vmcb", "tsc_offset", "intercept"):
        state[name] = reader.number(8)
    for name in ("intercept_cr_read", "intercept_cr_write", "intercept_dr_read", "intercept_dr_write"):
        state[name] = reader.number(2)
    state |= {"intercept_exceptions": reader.number(4), "v_tpr": reader.number(1)}


def _late(reader: _Reader, state: dict[str, Any], msrs: dict[str, int]) -> tuple[int, ...]:
    """From version 10 on; the upper halves of YMM registers, where there are any."""
    if reader.version == 10:
        msrs["mcg_cap"] = reader.number(8)
        if msrs["mcg_cap"]:
            msrs |= {"mcg_status": reader.number(8), "mcg_ctl": reader.number(8)}
            state["mce_banks"] = reader.numbers(8, 4 * (msrs["mcg_cap"] & 0xFF))
    if reader.version < 11:
        return ()
    state["exception_nr"] = reader.number(4, signed=True)
    for name in ("soft_interrupt", "nmi_injected", "nmi_pending", "has_error_code"):
        state[name] = reader.number(1)
    state["sipi_vector"] = reader.number(4)
    for name in ("mcg_cap", "mcg_status", "mcg_ctl"):
        msrs[name] = reader.number(8)
    state["mce_banks"] = reader.numbers(8, MCE_BANKS)
    for name in ("tsc_aux", "system_time_msr", "wall_clock_msr"):
        msrs[name] = reader.number(8)
    if reader.version < 12:
        return ()
    state |= {"xcr0": reader.number(8), "xstate_bv": reader.number(8)}
    return tuple(reader.vector() for _ in range(reader.count))


def _efer(octets: bytes, end: int, msrs: dict[str, int]) -> None:
    """EFER of a 32-bit emulator, zero where it has no subsection for it."""
    if "efer" not in msrs:
        place = octets.find(EFER32, end)
        start = place + len(EFER32)
        msrs["efer"] = int.from_bytes(octets[start : start + 8], "big") if place >= 0 else 0


def architecture_of(cpus: Iterable[DeviceSection]) -> str:
    """Whose emulator wrote the sections: ``x86_64`` or ``i386``; empty where that cannot be told."""
    for cpu in cpus:
        found = _described(cpu.description) or _shaped(cpu)
        if found:
            return found
    return ""


def _described(description: Any) -> str:
    fields = description.get("fields") if isinstance(description, Mapping) else None
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, Mapping) and field.get("name") == "env.eip":
            size = field.get("size")
            return {8: WIDE, 4: NARROW}.get(size, "") if isinstance(size, int) else ""
    return ""


def _shaped(cpu: DeviceSection) -> str:
    """By where the fixed part ends: there the section does, or a subsection begins."""
    for architecture in (WIDE, NARROW):
        try:
            end = length_of(cpu.octets, cpu.version, architecture)
        except (RecordError, UnsupportedError):  # not of this kind, or of none
            continue
        follows = cpu.octets[end : end + 6]
        if not follows or (follows.startswith(SUBSECTION) and follows[2:] == b"cpu/"):
            return architecture
    return ""
