"""The format ``qmp:``; what it does stands in the other rooms, imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence

from domctx.api import Domain, Format, FormatContext, Target
from domctx.hookspecs import hookimpl
from domctx_qmp.options import OPTIONS, RUN


def open_(path: str, context: FormatContext) -> Domain:
    """The machine of the QEMU that listens at the QMP socket ``path``. Raises DomainError where none does."""
    from domctx_qmp.domain import open_domain

    return open_domain(path, context)


def create(path: str, context: FormatContext) -> Target:
    """The QEMU that waits for its state at ``path``; "": one that is started. Raises DomainError, UsageError."""
    from domctx_qmp.target import create_target

    return create_target(path, context)


@hookimpl
def domctx_formats() -> Sequence[Format]:
    """``qmp:``."""
    return [
        Format(
            scheme="qmp",
            summary="a live QEMU, by the UNIX socket of its monitor (-qmp unix:PATH,server=on,wait=off)",
            open=open_,
            create=create,
            options=OPTIONS,
            implied_by=RUN.name,
        )
    ]
