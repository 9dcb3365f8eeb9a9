"""The registers of an i386 guest as Xen of 2003 and 2004 lays them out (formats/xen.md 1.4)."""

from typing import Annotated

from domctx.schema import U32, layout
from domctx.values import frozen


@layout(source="formats/xen.md 1.4: execution_context_t")
@frozen(kw_only=True)
class ExecutionContext:
    """The general registers, segment selectors, EIP and EFLAGS: 68 octets."""

    ebx: Annotated[int, U32("EBX")]
    ecx: Annotated[int, U32("ECX")]
    edx: Annotated[int, U32("EDX")]
    esi: Annotated[int, U32("ESI; of a suspended guest the frame of its suspend record, a PFN where it is canonical")]
    edi: Annotated[int, U32("EDI")]
    ebp: Annotated[int, U32("EBP")]
    eax: Annotated[int, U32("EAX")]
    ds: Annotated[int, U32("DS; a selector in the low 16 bits")]
    es: Annotated[int, U32("ES")]
    fs: Annotated[int, U32("FS")]
    gs: Annotated[int, U32("GS")]
    unused: Annotated[int, U32("_unused: no register; kept as it is found")] = 0
    eip: Annotated[int, U32("EIP", unit="offset in CS")]
    cs: Annotated[int, U32("CS")]
    eflags: Annotated[int, U32("EFLAGS")]
    esp: Annotated[int, U32("ESP", unit="offset in SS")]
    ss: Annotated[int, U32("SS")]
