"""What one LinuxGuestRecord holds, read and with every number in range; its pages stay in the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from domctx.errors import StreamError
from domctx.files import CutError
from domctx.schema import decode, offset_of
from domctx.states import PageKind
from domctx.values import frozen
from domctx_cpu.layout import ExecutionContext, FullExecutionContext
from domctx_lgr.layout import (
    HEADER_SIZE,
    MAX_PFNS,
    MAX_TYPE,
    NAME_SIZE,
    OLD_SIGNATURE,
    SIGNATURE,
    Header,
    Variant,
    frame_groups,
)
from domctx_x86 import MAX_DESCRIPTORS, PAGE_SHIFT, PAGE_SIZE, gdt_frame_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from domctx_lgr.files import Octets

ESI = offset_of(FullExecutionContext, "cpu_ctxt") + offset_of(ExecutionContext, "esi")
GDT_FRAMES = offset_of(FullExecutionContext, "gdt_frames")
GDT_ENTS = offset_of(FullExecutionContext, "gdt_ents")
PT_BASE = offset_of(FullExecutionContext, "pt_base")


class Places(Protocol):
    """Where the pages stand in the file."""

    def present(self, first: int, count: int) -> NDArray[np.bool_]:
        """Which of ``count`` pages from ``first`` on are in the file."""

    def runs(self, first: int, count: int) -> Iterator[tuple[int, int]]:
        """(offset, pages) of each run that lies in one piece, for the pages that are in the file, in order."""


@frozen
class Contiguous:
    """Every page is there, one behind the other."""

    start: int

    def present(self, first: int, count: int) -> NDArray[np.bool_]:
        """All of them."""
        return np.ones(count, dtype=np.bool_)

    def runs(self, first: int, count: int) -> Iterator[tuple[int, int]]:
        """One run."""
        yield self.start + first * PAGE_SIZE, count


@frozen(eq=False)
class Scattered:
    """``offsets`` i64[N]: where each page stands that was sent last, -1 for one that never was."""

    offsets: NDArray[np.int64]

    def present(self, first: int, count: int) -> NDArray[np.bool_]:
        """Those that were sent."""
        found: NDArray[np.bool_] = self.offsets[first : first + count] >= 0
        return found

    def runs(self, first: int, count: int) -> Iterator[tuple[int, int]]:
        """Runs of pages that follow each other in the file."""
        offsets = self.offsets[first : first + count]
        offsets = offsets[offsets >= 0]
        cuts = np.flatnonzero(np.diff(offsets) != PAGE_SIZE) + 1
        for run in np.split(offsets, cuts) if len(offsets) else []:
            yield int(run[0]), len(run)


@frozen(eq=False)
class Content:
    """One record. ``types`` u8[N]; ``end`` the octet behind the record; ``missing`` what a page is that is absent."""

    variant: Variant
    header: Header
    context: FullExecutionContext
    shared_info: bytes | None
    frame_page: bytes
    types: NDArray[np.uint8]
    places: Places
    end: int
    missing: PageKind = PageKind.ABSENT

    @property
    def frame_list(self) -> tuple[int, ...]:
        """The PFNs of the frames that hold the P2M."""
        return tuple(words(self.frame_page)[: frame_groups(self.header.nr_pfns)].tolist())


def read_header(octets: Octets) -> Header:
    """The header. Raises StreamError for another signature, and for no page or too many."""
    head = octets.read(0, HEADER_SIZE)
    signature = head[: len(SIGNATURE)]
    if signature not in (SIGNATURE, OLD_SIGNATURE):
        known = f"{SIGNATURE.decode()} or {OLD_SIGNATURE.decode()}"
        raise StreamError("is no LinuxGuestRecord", offset=0, expected=known, got=signature.hex(" ") or "an empty file")
    if len(head) < HEADER_SIZE:
        raise CutError("the file ends early, in its header", offset=len(head))
    header = decode(Header, head)
    check_pfns(header.nr_pfns)
    return header


def take(octets: Octets, offset: int, size: int, what: str) -> bytes:
    """Exactly ``size`` octets. Raises CutError where there are fewer."""
    found = octets.read(offset, size)
    if len(found) < size:
        raise CutError(f"the file ends early, in its {what}", offset=offset + len(found))
    return found


def words(octets: bytes) -> NDArray[np.uint32]:
    """Octets as little-endian words."""
    return np.frombuffer(octets, dtype="<u4")


def check_pfns(pfns: int) -> None:
    """Raise StreamError for a domain of no page, or of more than 1048576."""
    if not 0 < pfns <= MAX_PFNS:
        offset = len(SIGNATURE) + NAME_SIZE
        message = "the number of pages is out of range"
        raise StreamError(message, offset=offset, expected=f"1 .. 0x{MAX_PFNS:08x}", got=f"0x{pfns:08x}")


def check_context(context: FullExecutionContext, pfns: int, base: int) -> None:
    """Raise StreamError for a number of the context that is out of range; the context stands at ``base``."""
    check_pfn("esi, the suspend record,", context.cpu_ctxt.esi, pfns, base + ESI)
    if context.gdt_ents > MAX_DESCRIPTORS:
        limit, got = f"at most 0x{MAX_DESCRIPTORS:08x}", f"0x{context.gdt_ents:08x}"
        raise StreamError("gdt_ents is out of range", offset=base + GDT_ENTS, expected=limit, got=got)
    for index, frame in enumerate(context.gdt_frames[: gdt_frame_count(context.gdt_ents)]):
        check_pfn(f"gdt_frames[{index}]", frame, pfns, base + GDT_FRAMES + 4 * index)
    check_pfn("pt_base, the page directory,", context.pt_base >> PAGE_SHIFT, pfns, base + PT_BASE)


def check_frame_page(frame_page: bytes, pfns: int, base: int) -> None:
    """Raise StreamError for a frame of the P2M that is out of range; the frame list stands at ``base``."""
    used = words(frame_page)[: frame_groups(pfns)]
    first = first_bad(used >= pfns)
    if first is not None:
        check_pfn(f"pfn_to_mfn_frame_list[{first}]", int(used[first]), pfns, base + 4 * first)


def check_types(types: NDArray[np.uint32], base: int) -> None:
    """Raise StreamError for a page type that nobody knew; the types stand at ``base``."""
    first = first_bad(types > MAX_TYPE)
    if first is not None:
        message = f"pfn_type[0x{first:x}] is no page type"
        limit, got = f"at most 0x{MAX_TYPE:08x}", f"0x{int(types[first]):08x}"
        raise StreamError(message, offset=base + 4 * first, expected=limit, got=got)


def check_pfn(what: str, pfn: int, pfns: int, offset: int) -> None:
    """Raise StreamError for a PFN that the domain does not have; it stands at ``offset``."""
    if pfn >= pfns:
        limit, got = f"a PFN below 0x{pfns:08x}", f"0x{pfn:08x}"
        raise StreamError(f"{what} is out of range", offset=offset, expected=limit, got=got)


def first_bad(bad: NDArray[np.bool_] | Sequence[bool]) -> int | None:
    """The first place that is bad; None where none is."""
    found = np.flatnonzero(bad)
    return int(found[0]) if len(found) else None
