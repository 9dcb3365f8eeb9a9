"""The format ``xen:``; what it does stands in the other rooms, imported when it is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domctx.api import Coverage, Domain, Format, FormatContext, Option, Role, Sink
from domctx.hookspecs import hookimpl

SCHEME = "xen"
XL_MAGIC = b"Xen saved domain, xl format\n \0 \r"
LIBXL_MAGIC = b"LibxlFmt"
LIBXC_MAGIC = b"\xff" * 8 + b"XENF"


def open_(path: str, context: FormatContext) -> Domain:
    """An opened stream as a Domain. Raises DomctxError where its headers cannot be read."""
    from domctx_xen.domain import open_domain

    return open_domain(path, context)


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Write a domain as a stream. Raises DomainError for what no stream can hold."""
    from domctx_xen import writer

    writer.write(source, sink, context)


def coverage(domain: Domain) -> Iterable[Coverage]:
    """Which check covers which part. Raises DomctxError for what a receiver would refuse."""
    from domctx_xen.check import covered
    from domctx_xen.domain import XenDomain

    return covered(domain) if isinstance(domain, XenDomain) else ()


@hookimpl
def domctx_formats() -> Sequence[Format]:
    """``xen:``."""
    return [
        Format(
            scheme=SCHEME,
            summary="Xen's streams of today: files of xl save, and the libxl and libxc streams in them",
            magics=((0, XL_MAGIC), (0, LIBXL_MAGIC), (0, LIBXC_MAGIC)),
            open=open_,
            write=write,
            coverage=coverage,
            options=(
                Option(
                    "framing",
                    str,
                    "what to write around the libxc stream; by default as it was found, else nothing",
                    choices=("libxc", "libxl", "xl"),
                    role=Role.GOAL,
                ),
                Option(
                    "version",
                    str,
                    "of the libxc stream to write; by default as it was found, else 3",
                    choices=("2", "3", "4"),
                    role=Role.GOAL,
                ),
            ),
        )
    ]
