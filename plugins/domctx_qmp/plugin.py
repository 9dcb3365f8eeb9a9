"""The format ``qmp:``; what it does stands in the other rooms, imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence

from domctx.api import Format
from domctx.hookspecs import hookimpl


@hookimpl
def domctx_formats() -> Sequence[Format]:
    """None yet."""
    return []
