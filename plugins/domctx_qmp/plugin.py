"""The format ``qmp:``; what it does stands in the other rooms, imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence

from domctx.api import Format, Option
from domctx.hookspecs import hookimpl

OPTIONS: tuple[Option, ...] = ()


@hookimpl
def domctx_formats() -> Sequence[Format]:
    """``qmp:``."""
    return [
        Format(
            scheme="qmp",
            summary="a live QEMU, by the UNIX socket of its monitor (-qmp unix:PATH,server=on,wait=off)",
            options=OPTIONS,
        )
    ]
