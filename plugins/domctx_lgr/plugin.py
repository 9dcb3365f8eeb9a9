"""The format ``lgr:``; what it does stands in the other rooms, imported when it is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domctx.api import Coverage, Domain, Format, FormatContext, Option, Role, Sink
from domctx.hookspecs import hookimpl
from domctx_lgr.names import GZIP_MAGIC, OLD_SIGNATURE, SCHEME, SIGNATURE


def open_(path: str, context: FormatContext) -> Domain:
    """An opened file as a Domain. Raises StreamError for one that is cut or has a number out of range."""
    from domctx_lgr.domain import open_domain

    return open_domain(path, context)


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Write a domain as A3 or B. Raises DomainError for what the format cannot hold."""
    from domctx_lgr import writer

    writer.write(source, sink, context)


def probe(head: bytes) -> bool:
    """Whether a file that begins so is a gzip file of a LinuxGuestRecord."""
    if not head.startswith(GZIP_MAGIC):
        return False
    from domctx_lgr.inflate import beginning

    return beginning(head, len(SIGNATURE)) in (SIGNATURE, OLD_SIGNATURE)


def coverage(domain: Domain) -> Iterable[Coverage]:
    """Which check covers which part of a file. Raises RecordError for a rule of Xen's restore that it breaks."""
    from domctx_lgr.domain import LgrDomain
    from domctx_lgr.inflate import GzipFile
    from domctx_lgr.rules import check_rules

    check_rules(domain)
    zipped = isinstance(domain, LgrDomain) and isinstance(domain.octets, GzipFile)
    return [
        Coverage("frame numbers, page types and counts", "their ranges"),
        Coverage(
            "name, suspend record, GDT, LDT, page-table base, frame list, page tables", "the rules of the restore"
        ),
        Coverage("every octet", "CRC-32 and length of gzip" if zipped else ""),
    ]


@hookimpl
def domctx_formats() -> Sequence[Format]:
    """``lgr:``."""
    return [
        Format(
            scheme=SCHEME,
            summary="LinuxGuestRecord and XenoLinuxSuspend: Linux guests saved by Xen in 2003 and 2004",
            magics=((0, SIGNATURE), (0, OLD_SIGNATURE)),
            probe=probe,
            open=open_,
            write=write,
            coverage=coverage,
            options=(
                Option(
                    "variant",
                    str,
                    "layout to write: A3 (March 2004) or B (May 2004)",
                    "A3",
                    choices=("A3", "B"),
                    role=Role.GOAL,
                ),
                Option("gzip", bool, "compress what is written", True, role=Role.GOAL),
                Option("name", str, "name to write instead of the domain's own", role=Role.GOAL),
            ),
        )
    ]
