"""The format ``vmm:``. What it does stands in the other modules, imported when it is called."""

from __future__ import annotations

from acme_vmm.names import MAGIC, SCHEME
from domctx import hookimpl
from domctx.api import Coverage, Domain, Format, FormatContext, Sink


def open_(path: str, context: FormatContext) -> Domain:
    """A snapshot as a Domain. Raises DomctxError for a file that is none, or is damaged."""
    from acme_vmm.domain import open_domain

    return open_domain(path)


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Write a domain as a snapshot. Raises DomainError where our hypervisor could not have such a machine."""
    from acme_vmm.writer import write as write_snapshot

    write_snapshot(source, sink, context)


def coverage(domain: Domain) -> list[Coverage]:
    """Which parts of a snapshot which check covers."""
    return [Coverage("head, runs and tail", "their ranges"), Coverage("memory")]


@hookimpl
def domctx_formats() -> list[Format]:
    """``vmm:``."""
    return [
        Format(
            scheme=SCHEME,
            summary="snapshots of Acme's hypervisor",
            magics=((0, MAGIC),),
            open=open_,
            write=write,
            coverage=coverage,
        )
    ]
