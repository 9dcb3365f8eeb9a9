"""What is to be built, and what a new domain finds besides its kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from domctx.values import frozen
from domctx_sim.kernel_image import KernelImage

CPU_KHZ: Final = 1_000_000
"""The simulated processor's frequency."""
EFLAGS: Final = 1 << 9 | 1 << 1
"""Interrupts enabled, and the bit that is always set."""


@frozen(kw_only=True)
class Order:
    """What is to be built: memory in pages, and what the guest finds in start_info."""

    image: KernelImage
    pages: int
    name: str
    initrd: bytes = b""
    command_line: str = ""
    vifs: int = 1


@frozen
class First:
    """``pages`` are octets by the page where they begin; ``shared_info`` a page; ``context`` in machine frames."""

    pages: Mapping[int, bytes]
    shared_info: bytes
    context: bytes
