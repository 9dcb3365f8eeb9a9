"""A guest that suspended itself, as it stands: its own suspend record, frame list and P2M, made canonical."""

from __future__ import annotations

import numpy as np

from domctx.errors import DomainError
from domctx_page_tables import FrameMap
from domctx_sim.arrays import Words
from domctx_sim.layout import WORDS
from domctx_sim.machine import Machine
from domctx_sim.p2m import guest_p2m, stored_p2m
from domctx_sim.suspension import FRAME_LIST_WORD, NR_PFNS_WORD, SHARED_INFO_WORD
from domctx_sim.view import View, make_view, pfn_of


def suspended(machine: Machine) -> View:
    """The view of the machine's domain. Raises DomainError where its record, frame list or P2M is not good.

    A guest that suspended itself here points to its frame list; one that was loaded suspended holds a pointer of the
    machine that it came from, and the machine remembers its list instead.
    """
    domain = machine.domain
    record_frame = domain.cpu.cpu_ctxt.esi
    if domain.frame_list is not None:
        frame_map = stored_p2m(machine, domain, np.array(domain.frame_list))
        return _view(machine, frame_map, record_frame, domain.frame_list, None)
    told = guest_p2m(machine, domain, record_frame)
    frame_list = tuple(told.frame_map.pfn_of(told.frames.astype(np.uint32)).tolist())
    return _view(machine, told.frame_map, record_frame, frame_list, told.frame_list)


def _view(
    machine: Machine, frame_map: FrameMap, record_frame: int, frame_list: tuple[int, ...], list_frame: int | None
) -> View:
    record = pfn_of("the suspend record (ESI)", frame_map, record_frame)
    overlay = {pfn: machine.frames.words[frame_map.p2m[pfn]].copy() for pfn in (*frame_list, record)}
    for group, pfn in enumerate(frame_list):
        numbers = np.arange(group * WORDS, min(frame_map.pfns, (group + 1) * WORDS), dtype=np.uint32)
        overlay[pfn][: len(numbers)] = numbers
    words = overlay[record]
    if words[NR_PFNS_WORD] != frame_map.pfns:
        raise DomainError(
            "the suspend record counts other pages than the domain has",
            expected=frame_map.pfns,
            got=int(words[NR_PFNS_WORD]),
        )
    words[SHARED_INFO_WORD] = 0
    if list_frame is not None:
        page = pfn_of("the frame list", frame_map, list_frame)
        words[FRAME_LIST_WORD] = page
        overlay[page] = _listed(machine, frame_map, page, frame_list)
    return make_view(machine, frame_map, record, frame_list, overlay)


def _listed(machine: Machine, frame_map: FrameMap, page: int, frame_list: tuple[int, ...]) -> Words:
    """The page of the frame list with PFNs in it."""
    contents: Words = machine.frames.words[frame_map.p2m[page]].copy()
    contents[: len(frame_list)] = frame_list
    return contents
