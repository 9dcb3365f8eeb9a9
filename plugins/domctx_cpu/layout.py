"""The CPU record's body, the ABIs of the contexts that it can hold, and full_execution_context of Xen in spring 2004.

Today's contexts stand in ``xen_layout``. All integers are little-endian; an i386 ``unsigned long`` has four octets.
Source: formats/xen.md 1.4, and xen/include/hypervisor-ifs/arch-i386/hypervisor-if.h at 8babea8308 (names, offsets,
sizes).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from domctx.schema import U8, U16, U32, Array, Blob, Bytes, Nested, Reserved, layout
from domctx.values import frozen
from domctx_x86.registers import ExecutionContext as ExecutionContext

XEN_2004_I386: Final = "xen-2004-i386"
"""The ABI of ``FullExecutionContext``."""

XEN_X86_32: Final = "xen-x86_32"
XEN_X86_64: Final = "xen-x86_64"
"""The ABIs of ``xen_layout.VcpuGuestContext32`` and ``64``."""

CONTEXT_SIZE: Final = 2516
"""Octets of full_execution_context_t on i386."""

TRAPS: Final = 256
"""Entries of the virtual IDT."""

FPU_VALID: Final = 1 << 0
"""ECF_I387_VALID in ``flags``: ``fpu_ctxt`` holds the FPU's registers."""

FXSAVE_KEPT: Final = 256
"""Octets of the 512 of an FXSAVE image that fit ``fpu_ctxt``: control words, ST/MM0-7 and XMM0-5. XMM6-7 are lost."""

HYPERVISOR_VIRT_START: Final = 0xFC00_0000
"""Linear addresses from here on belong to Xen (formats/xen.md 1.5)."""


@layout(source="formats/xen.md 1.4: trap_info_t")
@frozen
class TrapInfo:
    """One entry of the virtual IDT."""

    vector: Annotated[int, U8("the vector; a restorer sets it to the entry's index")]
    flags: Annotated[int, U8("bits 0-1: DPL; bit 2: clear event-enable on entry")]
    cs: Annotated[int, U16("the handler's code selector")]
    address: Annotated[int, U32("the handler", unit="offset in CS")]


@layout(source="formats/xen.md 1.4: full_execution_context_t, i386")
@frozen(kw_only=True)
class FullExecutionContext:
    """All that Xen of 2004 keeps of a vCPU: 2516 octets.

    Canonical in a record: ``cpu_ctxt.esi`` and ``pt_base`` name PFNs; ``gdt_frames`` and ``gdt_ents`` are zero there,
    for the GDT record owns them. ``fpu_ctxt`` holds the first 256 octets of the 512 that FXSAVE writes (the trap table
    overwrote the others when the context was taken), or the 108 of FSAVE: a converter to a wider context leaves
    octets 256..511 zero.
    """

    flags: Annotated[int, U32("bit 0 (ECF_I387_VALID): fpu_ctxt is valid")]
    cpu_ctxt: Annotated[ExecutionContext, Nested(ExecutionContext, "the user-level registers")]
    fpu_ctxt: Annotated[bytes, Bytes(FXSAVE_KEPT, "FXSAVE octets 0..255 where the CPU has FXSR, else the FSAVE image")]
    trap_ctxt: Annotated[tuple[TrapInfo, ...], Array(TrapInfo, TRAPS, "the virtual IDT, by vector")]
    fast_trap_idx: Annotated[int, U32("the vector that is entered without Xen; 0 for none, 0x20 at first")]
    ldt_base: Annotated[int, U32("the LDT; page aligned", unit="linear address")]
    ldt_ents: Annotated[int, U32("entries of the LDT, at most 8192", unit="descriptors of 8 octets")]
    gdt_frames: Annotated[tuple[int, ...], Array(U32("a frame", unit="PFN"), 16, "a frame for each 512 entries, dense")]
    gdt_ents: Annotated[int, U32("entries of the GDT, at most 8192; 0: Xen's own", unit="descriptors of 8 octets")]
    guestos_ss: Annotated[int, U32("SS of the guest's kernel, in ring 1 (ring1_ss until 2004-03)")]
    guestos_esp: Annotated[int, U32("ESP of the guest's kernel (ring1_esp until 2004-03)", unit="offset in SS")]
    pt_base: Annotated[int, U32("CR3: the page directory", unit="PFN << 12")]
    debugreg: Annotated[tuple[int, ...], Array(U32("a debug register"), 8, "DB0..DB7")]
    event_callback_cs: Annotated[int, U32("code selector of the event callback")]
    event_callback_eip: Annotated[int, U32("the event callback", unit="offset in CS")]
    failsafe_callback_cs: Annotated[int, U32("code selector of the failsafe callback")]
    failsafe_callback_eip: Annotated[int, U32("the failsafe callback", unit="offset in CS")]


@frozen
class Abi:
    """One kind of vCPU context: its code in records, its name in states, and the room and class of its layout."""

    code: int
    name: str
    room: str
    class_name: str

    @property
    def layout(self) -> type[Any]:
        """The layout; its room is imported when it is first asked for, for most commands never are."""
        from importlib import import_module

        found: type[Any] = getattr(import_module(self.room), self.class_name)
        return found


ABIS: Final = (
    Abi(1, XEN_2004_I386, "domctx_cpu.layout", "FullExecutionContext"),
    Abi(2, XEN_X86_32, "domctx_cpu.xen_layout", "VcpuGuestContext32"),
    Abi(3, XEN_X86_64, "domctx_cpu.xen_layout", "VcpuGuestContext64"),
)
"""The contexts that a record can hold. Codes are never reused."""

ABI_NAMES: Final[Mapping[int, str]] = MappingProxyType({abi.code: abi.name for abi in ABIS})


def abi_of(code: int) -> Abi | None:
    """The ABI of a record's code; None where it is not known."""
    return next((abi for abi in ABIS if abi.code == code), None)


def abi_named(name: str) -> Abi | None:
    """The ABI of a state's name; None where it is not known."""
    return next((abi for abi in ABIS if abi.name == name), None)


@layout(source="DESIGN.md section 4: CPU")
@frozen(kw_only=True)
class CpuBody:
    """The body of a CPU record; its instance is the vCPU id."""

    abi: Annotated[int, U32("whose context it is", names=ABI_NAMES)]
    reserved: Annotated[bytes, Reserved(4)] = bytes(4)
    octets: Annotated[bytes, Blob("the context, canonical, its GDT fields zero; the ABI tells its length")]


@layout(source="formats/xen.md 4.2: the vCPU records beside X86_PV_VCPU_BASIC")
@frozen(kw_only=True)
class PartBody:
    """The body of a CPU_EXTENDED, CPU_XSAVE or CPU_MSRS record; its instance is the vCPU id."""

    size: Annotated[int, U32("length of what follows", unit="octets")]
    reserved: Annotated[bytes, Reserved(4)] = bytes(4)
    octets: Annotated[bytes, Blob("what the source's record has behind the vCPU id, as it stood there")]
