"""The kinds of machine that are simulated: Xen of 2004, and today's Xen under PAE and four-level guests."""

from __future__ import annotations

from typing import Final

import attrs

from domctx.values import frozen
from domctx_x86 import I386_2LEVEL, PAE, X86_64_4LEVEL, Paging


@frozen
class Platform:
    """One kind of machine.

    ``name`` is what ``--paging`` calls it; ``paging`` the geometry of its guests' page tables; ``abi`` whose vCPU
    contexts and shared-info pages its guests have; ``frames`` how many frames the machine has; ``max_name`` and
    ``max_cmdline`` octets of a domain's name and of start_info's command line, each with its NUL; ``gdt_entries`` the
    most descriptors of a GDT.
    """

    name: str
    paging: Paging
    abi: str
    architecture: str
    hypervisor: str
    frames: int
    max_name: int
    max_cmdline: int
    gdt_entries: int

    @property
    def today(self) -> bool:
        """Whether it is today's Xen, and not that of 2004."""
        return self.paging.width == 8

    @property
    def word(self) -> str:
        """The type of a machine word of the guest, of which its P2M is made."""
        return f"<u{self.paging.word}"

    @property
    def segment_limit(self) -> int:
        """Linear addresses from here on no LDT may reach.

        Of 2004 they are Xen's own above the M2P, which may be read; of four levels guests have what lies above Xen.
        """
        if self.paging.levels == 4:
            return 1 << 64
        return self.paging.hypervisor_start + (0 if self.today else 4 << 20)


TWO_LEVEL: Final = Platform(
    name="2-level",
    paging=I386_2LEVEL,
    abi="xen-2004-i386",
    architecture="i386",
    hypervisor="xen-2004",
    frames=I386_2LEVEL.max_mfns,
    max_name=16,
    max_cmdline=256,
    gdt_entries=8192,
)
"""Xen of spring 2004 on i386: 4 GiB."""

FOUR_LEVEL: Final = Platform(
    name="4-level",
    paging=X86_64_4LEVEL,
    abi="xen-x86_64",
    architecture="x86_64",
    hypervisor="xen",
    frames=1 << 22,
    max_name=256,
    max_cmdline=1024,
    gdt_entries=7168,
)
"""Today's Xen under a 64-bit guest (formats/xen.md 4.5, 4.6): 16 GiB, so that most frames lie beyond 32 bits."""

PAE_TODAY: Final = attrs.evolve(FOUR_LEVEL, name="pae", paging=PAE, abi="xen-x86_32", architecture="i386")
"""The same under a 32-bit guest."""

PLATFORMS: Final = (TWO_LEVEL, PAE_TODAY, FOUR_LEVEL)
NAMES: Final = tuple(platform.name for platform in PLATFORMS)


def platform_named(name: str) -> Platform:
    """The platform of that name. Raises KeyError for a name that is not one of NAMES."""
    return {platform.name: platform for platform in PLATFORMS}[name]
