"""The shared vocabulary: state interfaces and their keys. No other core module uses it.

Each interface has a reading half, which every provider has, and a writing half, which only the states of a
Target have: a state that cannot be written raises DomainError. Numbers of frames are canonical everywhere
(PFN, GFN): what the machine calls them stays inside the domain. Page tables come and go canonicalised.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from domctx.api import JSON, RamBlock, StateKey
from domctx.values import frozen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class PageKind(enum.IntEnum):
    """What a page of a block is; the numbers stand in MEMORY records and never change."""

    DATA = 0
    """The page's octets are given."""
    ZERO = 1
    FILL = 2
    """One octet repeated."""
    ABSENT = 3
    """Never told by the source (ballooned, ignored, not sent)."""
    POPULATE = 4
    """Allocated, contents not kept (Xen: XALLOC)."""
    BROKEN = 5
    """Damaged memory (Xen: BROKEN)."""
    INVALID = 6
    """No frame behind it (Xen: XTAB)."""
    BASE = 7
    """Reserved for incremental images: as in the base image."""


class PageType(enum.IntEnum):
    """What Xen uses a frame as; bit 3 (``PINNED``) says that it is pinned as such (formats/xen.md 4.3)."""

    NOTAB = 0
    L1TAB = 1
    L2TAB = 2
    L3TAB = 3
    L4TAB = 4
    PINNED = 8


@frozen(eq=False, slots=False)
class PageBatch:
    """Consecutive pages of one block.

    ``kinds`` u8[count] holds PageKind; ``pages`` u8[n, page size] the contents of the DATA pages, in order;
    ``fills`` u8[m] the octet of each FILL page, in order; ``types`` u8[count] the PageType with each page where
    the source gives types with pages and PAGE_TABLES does not hold them, else None.
    It has no slots: it is made sooner so, which counts where one page is read.
    """

    block: int
    first: int
    kinds: NDArray[np.uint8]
    pages: NDArray[np.uint8]
    fills: NDArray[np.uint8] | None = None
    types: NDArray[np.uint8] | None = None

    @property
    def count(self) -> int:
        """How many pages the batch covers, DATA or not."""
        return len(self.kinds)


@frozen(eq=False)
class ScatteredPages:
    """Pages from all over a block, in the order in which they were asked for.

    ``kinds`` u8[n] holds PageKind; ``octets`` u8[n, page size] the pages, those without contents as zeros.
    """

    kinds: NDArray[np.uint8]
    octets: NDArray[np.uint8]


@frozen(eq=False)
class BlockSource:
    """A whole block whose pages any number of threads may read at once, at random, for as long as the domain is paused.

    ``read`` takes the first page, how many, and a buffer u8[octets of at least as many pages] that the caller owns: the
    batch's ``pages`` may stand in it, from its start on. Raises DomctxError.
    """

    block: int
    read: Callable[[int, int, NDArray[np.uint8]], PageBatch]


class Memory(Protocol):
    """The domain's memory by RAM block; page numbers count from the start of a block. Canonical throughout."""

    @property
    def blocks(self) -> Sequence[RamBlock]:
        """The blocks, in the order in which they are saved."""

    def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
        """Every page of every block, ascending, at most ``pages`` at a time. A one-pass source: only once.

        Where records overlap (rounds of a live save) a later batch replaces an earlier one.
        The arrays are valid until the next step.
        """

    def read(self, block: int, first: int, count: int) -> PageBatch:
        """``count`` pages of ``block`` from ``first`` on, at random. Raises DomainError outside the block."""

    def store(self, batch: PageBatch) -> None:
        """Take a batch; the arrays are the caller's again afterwards."""


class SourcedMemory(Memory, Protocol):
    """Memory of which whole blocks may be read by threads; memory that is not one is read by ``batches`` alone."""

    def sources(self, pages: int = 1024) -> Iterator[BlockSource | PageBatch]:
        """As ``batches``, but in place of all batches of a block that threads may read comes its BlockSource.

        The pages of these batches need not stand one directly behind the other.
        """


class ScatteredMemory(Memory, Protocol):
    """Memory of which pages from all over a block are read at once; memory that is not one is read run by run."""

    def scattered(self, block: int, pages: NDArray[np.int64]) -> ScatteredPages:
        """``pages`` i64[n] of ``block``, in any order, each as often as it is asked for.

        Raises DomainError outside the block.
        """


class PlacedMemory(Memory, Protocol):
    """Memory that threads may put pages into; memory that is not one takes them by ``store`` alone."""

    def placer(self) -> Callable[[PageBatch], bool]:
        """What takes a batch as ``store`` does, from any thread; False: that batch is for ``store``, in its turn.

        Batches that are given to it have no page in common with any batch before them.
        """


@frozen
class VcpuContext:
    """One vCPU's context: the octets as its source gave them, canonical, GDT fields zero; ``abi`` says whose."""

    abi: str
    """``xen-2004-i386`` (full_execution_context, formats/xen.md 1.4), ..."""
    octets: bytes


class Vcpus(Protocol):
    """The vCPU contexts by vCPU id."""

    @property
    def contexts(self) -> Mapping[int, VcpuContext]:
        """Contexts by id, ascending."""

    def store(self, vcpu: int, context: VcpuContext) -> None:
        """Take one context."""


@frozen
class GdtContext:
    """One vCPU's GDT: ``frames`` PFNs, one for each 512 entries begun; ``entries`` descriptors of 8 octets."""

    frames: tuple[int, ...]
    entries: int


class Gdt(Protocol):
    """The GDTs by vCPU id."""

    @property
    def contexts(self) -> Mapping[int, GdtContext]:
        """GDTs by vCPU id, ascending; a vCPU with the hypervisor's default GDT has no frames."""

    def store(self, vcpu: int, context: GdtContext) -> None:
        """Take one GDT."""


@frozen
class SharedInfoContext:
    """The page that guest and hypervisor share: 4096 octets; ``abi`` says whose layout."""

    abi: str
    """``xen-2004-i386`` (formats/xen.md 1.6), ``xen-x86_32``, ``xen-x86_64`` (4.6)."""
    page: bytes


class SharedInfo(Protocol):
    """The shared-info page."""

    @property
    def context(self) -> SharedInfoContext | None:
        """The page; None where nothing was stored yet."""

    def store(self, context: SharedInfoContext) -> None:
        """Take the page."""


@frozen
class SpecialMapping:
    """A word of the domain's memory that holds the machine address of a frame that is not the domain's own.

    Word ``index`` (of ``width`` octets) of page ``pfn``: a page-table entry, or a plain word (start_info.shared_info).
    ``flags`` are its bits that are not the frame's address; ``target`` names what it points to: ``shared_info``. It
    is zero in saved memory and made anew on load.
    """

    pfn: int
    index: int
    flags: int
    target: str


@frozen
class Suspension:
    """How a domain that did not suspend itself was suspended on its behalf, so that it can be undone exactly.

    ``registers`` are the values that the suspension replaced, by name; ``displaced`` the contents that reserved pages
    had before, by PFN (4096 octets, or none for a page of zeros; a page that already held what the suspension
    writes is not listed).
    """

    registers: Mapping[str, int]
    displaced: Mapping[int, bytes]


@frozen(eq=False)
class PageTablesContext:
    """What a paravirtualised domain's page tables need besides their pages.

    ``width`` octets of an entry and ``levels`` of tables; ``types`` u8[N] the PageType of every PFN; ``frame_list``
    the PFNs of the frames that hold the P2M, one for each group of entries that fit a page; ``special`` the present
    entries to foreign frames; ``suspension`` None where the guest suspended itself.
    """

    width: int
    levels: int
    types: NDArray[np.uint8]
    frame_list: tuple[int, ...] = ()
    special: tuple[SpecialMapping, ...] = ()
    suspension: Suspension | None = None


class PageTables(Protocol):
    """Page types, P2M frame list and special mappings; canonicalises and localises over batches."""

    @property
    def context(self) -> PageTablesContext | None:
        """What is known; None where nothing was stored yet."""

    def store(self, context: PageTablesContext) -> None:
        """Take the context; comes before any page, so that pages can be localised as they arrive."""

    def canonicalise(self, batch: PageBatch) -> PageBatch:
        """MFN to PFN in the batch's page tables; the identity where the domain has no machine frames."""

    def localise(self, batch: PageBatch) -> PageBatch:
        """PFN to MFN in the batch's page tables; the identity where the domain has no machine frames."""


@frozen
class DeviceSection:
    """One device section: ``description`` is the source's own description of the fields (vmdesc), or None."""

    name: str
    instance: int
    version: int
    octets: bytes
    description: JSON = None


class Devices(Protocol):
    """Device sections in stream order."""

    @property
    def sections(self) -> Sequence[DeviceSection]:
        """All sections, in the order in which the source had them."""

    def store(self, section: DeviceSection) -> None:
        """Append one section."""


@frozen
class TscContext:
    """Xen's TSC state: ``mode`` 0 default, 1 always emulate, 2 never; ``khz``; ``nsec`` elapsed; ``incarnation``."""

    mode: int
    khz: int
    nsec: int
    incarnation: int


class Clock(Protocol):
    """The domain's clock as Xen's TSC_INFO tells it (formats/xen.md 2.2)."""

    @property
    def tsc(self) -> TscContext | None:
        """The TSC state; None where nothing was stored yet."""

    def store(self, tsc: TscContext) -> None:
        """Take the TSC state."""


@frozen
class ForeignPart:
    """A run of octets of the source format that no other state holds; ``format`` is the scheme it came from."""

    format: str
    name: str
    octets: bytes


class Foreign(Protocol):
    """What a source format had before (FOREIGN_HEAD) or behind (FOREIGN_TAIL) what other states hold."""

    @property
    def parts(self) -> Sequence[ForeignPart]:
        """The parts, in the source's order."""

    def store(self, part: ForeignPart) -> None:
        """Append one part."""


MEMORY: StateKey[Memory] = StateKey("memory")
VCPUS: StateKey[Vcpus] = StateKey("vcpus")
GDT: StateKey[Gdt] = StateKey("gdt")
SHARED_INFO: StateKey[SharedInfo] = StateKey("shared_info")
PAGE_TABLES: StateKey[PageTables] = StateKey("page_tables")
DEVICES: StateKey[Devices] = StateKey("devices")
CLOCK: StateKey[Clock] = StateKey("clock")
FOREIGN_HEAD: StateKey[Foreign] = StateKey("foreign_head")
FOREIGN_TAIL: StateKey[Foreign] = StateKey("foreign_tail")
