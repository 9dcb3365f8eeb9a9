"""What a PageTablesContext may hold, whoever made it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np

from domctx.errors import RecordError, UnsupportedError
from domctx.states import PageTablesContext, PageType, SpecialMapping, Suspension
from domctx_page_tables.rules import check_pfn
from domctx_x86 import PAGE_SIZE, Paging, paging_of
from domctx_x86.paging import KNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SPECIAL: Final = 65536
"""Special mappings of one domain."""
MAX_REGISTERS: Final = 64
MAX_NAME: Final = 64
"""Characters of the name of a register or of the target of a special mapping."""
RESERVED_PAGES: Final = 2
"""Pages that a suspension writes besides those of the P2M: the frame list and the suspend record."""

_LEVELS: Final = range(PageType.NOTAB, PageType.L4TAB + 1)
_TYPES: Final = [*_LEVELS, *(PageType.PINNED | level for level in _LEVELS if level)]


def check_context(context: PageTablesContext) -> None:
    """Raise RecordError for a context that breaks a bound, UnsupportedError for paging that is not known."""
    paging = known_paging(context.width, context.levels)
    check_size(paging, len(context.types))
    _check_types(context.types)
    _check_frame_list(context.frame_list, len(context.types), paging)
    _check_special(context.special, len(context.types), paging)
    if context.suspension is not None:
        _check_suspension(context.suspension, len(context.types), paging)


def known_paging(width: int, levels: int) -> Paging:
    """The paging of that width and those levels. Raises UnsupportedError where it is not known."""
    paging = paging_of(width, levels)
    if paging is None:
        raise UnsupportedError(
            "page tables of a geometry that is not known",
            expected=" or ".join(f"entries of {each.width} octets in {each.levels} levels" for each in KNOWN),
            got=f"entries of {width} octets in {levels} levels",
        )
    return paging


def check_size(paging: Paging, pfns: int) -> None:
    """Refuse a domain without pages, or with more than its paging can have."""
    if not 0 < pfns <= paging.max_pfns:
        raise RecordError("pages out of range", expected=f"1 .. 0x{paging.max_pfns:08x}", got=f"0x{pfns:08x}")


def _check_types(types: NDArray[np.uint8]) -> None:
    known = np.isin(types, _TYPES)
    if not known.all():
        pfn = int(np.argmin(known))
        raise RecordError(f"types[0x{pfn:x}] is no page type", got=f"0x{int(types[pfn]):02x}")


def _check_frame_list(frames: tuple[int, ...], pfns: int, paging: Paging) -> None:
    expected = paging.p2m_frames(pfns)
    if len(frames) not in (0, expected):
        raise RecordError("frame_list has the wrong length", expected=f"{expected}, or none", got=len(frames))
    _check_pfns("frame_list", frames, pfns)


def _check_special(special: tuple[SpecialMapping, ...], pfns: int, paging: Paging) -> None:
    _check_count("special mappings", len(special), MAX_SPECIAL)
    if len({(item.pfn, item.index) for item in special}) != len(special):
        raise RecordError("special: two mappings of one word")
    for position, item in enumerate(special):
        check_pfn(f"special[{position}].pfn", item.pfn, pfns)
        _check_below(f"special[{position}].index", item.index, paging.entries)
        _check_flags(f"special[{position}].flags", item.flags, paging)
        _check_name(f"special[{position}].target", item.target)


def _check_suspension(suspension: Suspension, pfns: int, paging: Paging) -> None:
    _check_count("registers of a suspension", len(suspension.registers), MAX_REGISTERS)
    for name, value in suspension.registers.items():
        _check_name("suspension.registers: a name", name)
        _check_below(f"suspension.registers.{name}", value, 1 << 8 * paging.width)
    _check_count("displaced pages", len(suspension.displaced), paging.p2m_frames(pfns) + RESERVED_PAGES)
    for pfn, octets in suspension.displaced.items():
        check_pfn("suspension.displaced", pfn, pfns)
        if len(octets) not in (0, PAGE_SIZE):
            what = f"suspension.displaced[0x{pfn:x}] is no page"
            raise RecordError(what, expected=f"{PAGE_SIZE} octets, or none", got=len(octets))


def _check_pfns(what: str, frames: Iterable[int], pfns: int) -> None:
    for position, pfn in enumerate(frames):
        check_pfn(f"{what}[{position}]", pfn, pfns)


def _check_count(what: str, count: int, most: int) -> None:
    if count > most:
        raise RecordError(f"too many {what}", expected=f"at most {most}", got=count)


def _check_below(what: str, value: int, limit: int) -> None:
    if not 0 <= value < limit:
        raise RecordError(f"{what} is out of range", expected=f"0 .. 0x{limit - 1:x}", got=f"0x{value:x}")


def _check_flags(what: str, flags: int, paging: Paging) -> None:
    _check_below(what, flags, 1 << 8 * paging.width)
    if flags & paging.frame_mask:
        expected = f"no bit of 0x{paging.frame_mask:x}"
        raise RecordError(f"{what} reach into the frame's address", expected=expected, got=f"0x{flags:x}")


def _check_name(what: str, name: str) -> None:
    if not (0 < len(name) <= MAX_NAME and name.isascii() and name.isprintable()):
        raise RecordError(f"{what} is no name", expected=f"1 .. {MAX_NAME} printable characters", got=repr(name[:80]))
