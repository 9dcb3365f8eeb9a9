"""QEMU migration streams (scheme ``qemu:``): indexed once, then read at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domctx_qemu_stream.domain import QemuDomain as QemuDomain, open_domain as open_domain

_HOME = {"QemuDomain": "domain", "open_domain": "domain"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'domctx_qemu_stream' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"domctx_qemu_stream.{_HOME[name]}"), name)
