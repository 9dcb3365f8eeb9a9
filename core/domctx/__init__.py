"""A virtual machine's whole saved state as a stream of typed records.

Public names are imported on first use, so that ``import domctx`` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the typing module costs a third of `domctx --version`; type checkers know the name
if TYPE_CHECKING:
    from typing import Any

    from domctx.api import (
        Command as Command,
        Context as Context,
        Difference as Difference,
        Domain as Domain,
        Format as Format,
        Images as Images,
        Instances as Instances,
        Machine as Machine,
        Option as Option,
        RecordRun as RecordRun,
        RecordType as RecordType,
        RecordWriter as RecordWriter,
        StateKey as StateKey,
        StateProvider as StateProvider,
        Target as Target,
        Transformed as Transformed,
    )
    from domctx.hookspecs import hookimpl as hookimpl

__version__ = "0.1.0"

_HOMES = {
    "domctx.api": (
        "Command",
        "Context",
        "Difference",
        "Domain",
        "Format",
        "Images",
        "Instances",
        "Machine",
        "Option",
        "RecordRun",
        "RecordType",
        "RecordWriter",
        "StateKey",
        "StateProvider",
        "Target",
        "Transformed",
    ),
    "domctx.hookspecs": ("hookimpl",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'domctx' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
