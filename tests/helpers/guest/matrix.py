"""Which machines the round trips run on: a few always, all where DOMCTX_LIVE_FULL is set."""

from __future__ import annotations

import os
from typing import Final

from .machines import GuestMachine

MEMFD: Final = "memory-backend-memfd,share=on"

SMALL: Final = (
    GuestMachine("pc", vcpus=2, memory=16),
    GuestMachine("q35,max-ram-below-4g=64M", vcpus=2, memory=96, local_timer=True, backend=MEMFD),
    GuestMachine("isapc", memory=16),
    GuestMachine("microvm", vcpus=2, memory=32),
)
"""Both timers, private and shared RAM, a hole with RAM above 4 GiB behind it, each bus."""

FULL: Final = (
    *SMALL,
    *(
        GuestMachine(kind, vcpus, memory)
        for kind in ("pc", "q35", "microvm")
        for vcpus in (1, 2)
        for memory in (16, 256, 4096)
        if (kind, vcpus, memory) != ("pc", 2, 16)
    ),
    *(GuestMachine("isapc", 1, memory) for memory in (256, 3072, 4096)),
    *(GuestMachine(kind, 2, 4096, True, MEMFD) for kind in ("pc", "q35", "microvm")),
    GuestMachine("microvm,pit=off,pic=off", 2, 64, True),
    GuestMachine("microvm,acpi=off", 2, 64),
    GuestMachine("pc-i440fx-2.4", 2, 64),
    GuestMachine("pc-q35-4.2", 1, 64, True),
)
"""Every machine, one and two vCPUs, from 16 MiB to 4 GiB, which every PCI machine splits at its hole."""


def whole_matrix() -> bool:
    """Whether everything is to be run."""
    return os.environ.get("DOMCTX_LIVE_FULL", "") == "1"
