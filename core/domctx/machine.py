"""The description of a domain that stands in MANIFEST: frozen data, read by whoever opens an image."""

from __future__ import annotations

from domctx.values import frozen


@frozen
class Placement:
    """Where a run of a RAM block stands in the guest's physical address space; all three in octets."""

    address: int
    offset: int
    length: int


@frozen
class RamBlock:
    """One block of guest memory: ``size`` in octets, pages of ``1 << page_shift`` octets.

    ``placements`` is empty where the block is not mapped (a ROM that is shadowed, say).
    """

    name: str
    size: int
    page_shift: int = 12
    placements: tuple[Placement, ...] = ()

    @property
    def pages(self) -> int:
        """How many pages the block has; a last, partial page counts."""
        return -(-self.size >> self.page_shift)


@frozen
class Machine:
    """The description of a domain that stands in MANIFEST; it holds no state that a record holds."""

    name: str
    architecture: str
    """``i386``, ``x86_64``, ..."""
    hypervisor: str = ""
    """Where the domain runs or ran: ``xen-2004``, ``xen``, ``qemu``, ..."""
    byte_order: str = "little"
    page_shift: int = 12
    blocks: tuple[RamBlock, ...] = ()
    vcpus: tuple[int, ...] = ()
    run_state: str = "paused"
    """``running``, ``paused`` or ``suspended`` (the guest stopped itself for a save)."""
    pv_width: int | None = None
    """Octets of a paravirtualised guest's machine word; None where the guest is not paravirtualised."""
    pv_levels: int | None = None
    """Levels of a paravirtualised guest's page tables."""
    uuid: str | None = None
    command_line: str | None = None
