"""LinuxGuestRecord: the files in which Xen saved Linux guests in 2003 and 2004 (scheme ``lgr:``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domctx_lgr.domain import LgrDomain as LgrDomain, open_domain as open_domain
    from domctx_lgr.rules import check_rules as check_rules
    from domctx_lgr.writer import write as write

_HOME = {"LgrDomain": "domain", "open_domain": "domain", "check_rules": "rules", "write": "writer"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'domctx_lgr' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"domctx_lgr.{_HOME[name]}"), name)
