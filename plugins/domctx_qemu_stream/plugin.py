"""The format ``qemu:``; what it does stands in the other rooms, imported when it is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domctx.api import Coverage, Domain, Format, FormatContext, Option, Role, Sink, StateProvider, Target
from domctx.hookspecs import hookimpl
from domctx.states import FOREIGN_HEAD, FOREIGN_TAIL, VCPUS, Vcpus
from domctx_qemu_stream.layout import MAGIC, QCOW2_MAGIC, SCHEME
from domctx_x86.states import REGISTERS, VcpuRegisters


def open_(path: str, context: FormatContext) -> Domain:
    """An opened stream as a Domain. Raises DomctxError where not even its head can be read."""
    from domctx_qemu_stream.domain import open_domain

    return open_domain(path, context)


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Write a stream that QEMU loads. Raises DomainError for a domain that never was QEMU's."""
    from domctx_foreign import tell_left
    from domctx_qemu_stream import writer

    writer.write(source, sink, context)
    for key in (FOREIGN_HEAD, FOREIGN_TAIL):
        tell_left(source, key, SCHEME, context)


def coverage(domain: Domain) -> Iterable[Coverage]:
    """Which check covers which part of a stream."""
    from domctx_qemu_stream.check import covered

    return covered(domain)


def vcpus(domain: Domain | Target) -> Vcpus | None:
    """The vCPUs of a QEMU machine, as a view on its device sections."""
    from domctx_qemu_stream.vcpus import provide

    return provide(domain)


def registers(domain: Domain | Target) -> VcpuRegisters | None:
    """The registers of a QEMU machine's vCPUs, as a view on its device sections."""
    from domctx_qemu_stream.vcpus import provide

    return provide(domain)


RAM_FILE = Option(
    "ram-file",
    str,
    "[BLOCK=]PATH: shared memory that the stream leaves out",
    alias="ram-file",
    role=Role.SOURCE,
    multiple=True,
)
NODE = Option(
    "node",
    str,
    "a block of RAM that stands behind the one named before, from address 0 on, where the stream does not tell",
    role=Role.SOURCE,
    multiple=True,
)
OPTIONS = (
    Option("offset", int, "where in the file the stream begins", 0, alias="offset", role=Role.SOURCE),
    Option("snapshot", str, "name or id of a snapshot in a qcow2 image", alias="snapshot", role=Role.SOURCE),
    Option("channel", str, "the file of a multifd channel", alias="channel", role=Role.SOURCE, multiple=True),
    RAM_FILE,
    NODE,
)


@hookimpl
def domctx_formats() -> Sequence[Format]:
    """``qemu:``."""
    return [
        Format(
            scheme=SCHEME,
            summary="QEMU migration streams, version 3, in files of their own or as snapshots in qcow2 images",
            magics=((0, MAGIC), (0, QCOW2_MAGIC)),
            open=open_,
            write=write,
            coverage=coverage,
            options=OPTIONS,
        ),
    ]


@hookimpl
def domctx_state_providers() -> Sequence[StateProvider]:
    """VCPUS and REGISTERS of QEMU machines, derived."""
    return [StateProvider(VCPUS, vcpus, owned=False), StateProvider(REGISTERS, registers, owned=False)]
