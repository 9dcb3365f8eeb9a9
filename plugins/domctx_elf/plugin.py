"""The format ``elf:``; what it does stands in the other rooms, imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence

from domctx.api import Domain, Format, FormatContext, Sink
from domctx.hookspecs import hookimpl
from domctx_elf.layout import SCHEME


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Write a domain's memory and registers as a core. Raises DomainError where there is no memory."""
    from domctx_elf import writer

    writer.write(source, sink, context)


@hookimpl
def domctx_formats() -> Sequence[Format]:
    """``elf:``."""
    return [
        Format(
            scheme=SCHEME,
            summary="ELF cores of whole machines, for gdb, crash, drgn and readelf",
            write=write,
        )
    ]
