"""The formats ``elf:`` and ``raw:``; what it does stands in the other rooms, imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence

from domctx.api import Coverage, Domain, Format, FormatContext, Option, Role, Sink, StateProvider, Target
from domctx.hookspecs import hookimpl
from domctx.states import FOREIGN_HEAD
from domctx_elf.names import MAGIC, RAW, SCHEME
from domctx_x86.states import REGISTERS, VcpuRegisters


def open_(path: str, context: FormatContext) -> Domain:
    """An opened core as a Domain. Raises DomctxError for a file that is none of a machine."""
    from domctx_elf.domain import open_domain

    return open_domain(path, context)


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Write a domain's memory and registers as a core. Raises DomainError where there is no memory."""
    from domctx_foreign import tell_left

    if context.option("kind") == "xen":
        from domctx_elf import xen_writer

        xen_writer.write(source, sink, context)
    else:
        from domctx_elf import writer

        writer.write(source, sink, context)
    tell_left(source, FOREIGN_HEAD, SCHEME, context)


def open_raw(path: str, context: FormatContext) -> Domain:
    """A raw file as a machine's memory. Raises DomctxError where it cannot be read."""
    from domctx_elf.raw import open_domain

    return open_domain(path, context)


def write_raw(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Write a domain's memory by addresses. Raises DomainError where there is no memory."""
    from domctx_elf import raw

    raw.write(source, sink, context)


def coverage(domain: Domain) -> list[Coverage]:
    """No check covers what stands in a core."""
    return [Coverage("headers", "their ranges"), Coverage("notes", "their lengths"), Coverage("memory")]


def registers(domain: Domain | Target) -> VcpuRegisters | None:
    """The registers that a core's notes tell."""
    from domctx_elf.registers import provide

    return provide(domain)


OPTIONS = (
    Option(
        "kind",
        str,
        "qemu: as QEMU dumps its guests; xen: as Xen does",
        default="qemu",
        choices=("qemu", "xen"),
        role=Role.GOAL,
    ),
    Option(
        "paging", bool, "segments by linear addresses, of what vCPUs map (kind=qemu)", default=False, role=Role.GOAL
    ),
)


@hookimpl
def domctx_formats() -> Sequence[Format]:
    """``elf:`` and ``raw:``."""
    return [
        Format(
            scheme=SCHEME,
            summary="ELF cores of whole machines, for gdb, crash, drgn and readelf",
            magics=((0, MAGIC),),
            open=open_,
            write=write,
            coverage=coverage,
            options=OPTIONS,
        ),
        Format(
            scheme=RAW,
            summary="raw memory: every octet at its guest-physical address",
            open=open_raw,
            write=write_raw,
            coverage=lambda domain: [Coverage("memory")],
        ),
    ]


@hookimpl
def domctx_state_providers() -> Sequence[StateProvider]:
    """REGISTERS of cores, and of images of them, derived from the notes."""
    return [StateProvider(REGISTERS, registers, owned=False)]
