"""The format ``libvirt:``; what it does stands in the other rooms, imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence

from domctx.api import Domain, Format, FormatContext, Option, Role, Sink
from domctx.hookspecs import hookimpl
from domctx_libvirt.names import PARTIAL, SAVED, SCHEME
from domctx_qemu_stream.plugin import NODE, RAM_FILE, coverage


def open_(path: str, context: FormatContext) -> Domain:
    """An opened image as a Domain. Raises DomctxError where its head cannot be read."""
    from domctx_libvirt.domain import open_domain

    return open_domain(path, context)


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Write an image. Raises DomainError for a domain that never was QEMU's, or that has no XML."""
    from domctx_libvirt import writer

    writer.write(source, sink, context)


PACKED = ("raw", "gzip", "bzip2", "xz", "lzop", "zstd")
OPTIONS = (
    RAM_FILE,
    NODE,
    Option("compression", str, "how to pack what is written; as it was, or raw", choices=PACKED, role=Role.GOAL),
    Option("xml", str, "the file of a domain's XML, for domains that have none", role=Role.GOAL),
)


@hookimpl
def domctx_formats() -> Sequence[Format]:
    """``libvirt:``."""
    return [
        Format(
            scheme=SCHEME,
            summary="libvirt save images: domain XML and a QEMU stream, packed or not",
            magics=((0, SAVED), (0, PARTIAL)),
            open=open_,
            write=write,
            coverage=coverage,
            options=OPTIONS,
        )
    ]
