"""Simulated Xen machines (``sim:DIR``), of spring 2004 and of today, and the domain builder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domctx_sim.build import build_machine as build_machine
    from domctx_sim.dom0 import Dom0 as Dom0
    from domctx_sim.domain import SimDomain as SimDomain
    from domctx_sim.first import Order as Order
    from domctx_sim.kernel_image import KernelImage as KernelImage, make_guest as make_guest, read_image as read_image
    from domctx_sim.machine import Machine as Machine
    from domctx_sim.target import SimTarget as SimTarget
    from domctx_sim.update import SimUpdate as SimUpdate

_HOMES = {
    "build": ("build_machine",),
    "dom0": ("Dom0",),
    "domain": ("SimDomain",),
    "first": ("Order",),
    "kernel_image": ("KernelImage", "make_guest", "read_image"),
    "machine": ("Machine",),
    "target": ("SimTarget",),
    "update": ("SimUpdate",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'domctx_sim' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"domctx_sim.{_HOME[name]}"), name)
