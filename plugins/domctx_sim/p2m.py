"""A domain's P2M: as the machine knows it, and as a guest that suspended itself tells it (formats/xen.md 1.8)."""

from __future__ import annotations

import numpy as np

from domctx.errors import DomainError
from domctx.values import frozen
from domctx_page_tables import FrameMap
from domctx_sim import idle
from domctx_sim.arrays import Numbers, Words
from domctx_sim.frame_table import FrameFlag
from domctx_sim.machine import Machine
from domctx_sim.metadata import DomainRecord
from domctx_sim.suspension import FRAME_LIST_WORD, NR_PFNS_WORD
from domctx_x86 import PAGE_SIZE


def machine_p2m(machine: Machine, domain: DomainRecord) -> Words:
    """The P2M that the M2P implies: u32[N] for the N pages that the domain owns.

    Raises DomainError where the M2P does not give each page its own number below N.
    """
    owned = machine.table.owned(domain.id)
    pfns = machine.table.m2p[owned]
    beyond = pfns >= len(owned)
    if beyond.any():
        mfn = int(owned[beyond.argmax()])
        raise DomainError(
            f"the M2P gives MFN 0x{mfn:05x} no page of the domain",
            expected=f"below 0x{len(owned):x}",
            got=f"0x{int(pfns[beyond.argmax()]):x}",
        )
    p2m = np.zeros(len(owned), np.uint32)
    p2m[pfns] = owned
    twice = p2m[pfns] != owned
    if twice.any():
        mfn, pfn = int(owned[twice.argmax()]), int(pfns[twice.argmax()])
        raise DomainError(
            f"the M2P gives page 0x{pfn:x} two frames", got=f"MFN 0x{mfn:05x} and MFN 0x{int(p2m[pfn]):05x}"
        )
    return p2m


@frozen(eq=False)
class Told:
    """What a guest that suspended itself tells: its P2M, and where it stands; MFNs."""

    frame_map: FrameMap
    record: int
    frame_list: int
    frames: Numbers
    """The frames that hold the P2M."""


def frame_map_of(machine: Machine, p2m: Words) -> FrameMap:
    """The frame map of a P2M that lies in this machine. Raises DomainError as ``FrameMap``."""
    return FrameMap(p2m, paging=machine.platform.paging, m2p_frame=idle.M2P_FRAME)


def guest_p2m(machine: Machine, domain: DomainRecord, record: int) -> Told:
    """Follow the suspend record in frame ``record`` to the guest's P2M.

    Raises DomainError where a frame on the way, or in the P2M, is not the domain's, or stands twice in the P2M.
    """
    _own(machine, domain, "the suspend record", np.array([record]))
    words = machine.frames.words[record]
    pages, frame_list = int(words[NR_PFNS_WORD]), int(words[FRAME_LIST_WORD])
    owned = len(machine.table.owned(domain.id))
    if pages != owned:
        raise DomainError("the suspend record counts other pages than the domain has", expected=owned, got=pages)
    _own(machine, domain, "the frame list", np.array([frame_list]))
    frames = machine.frames.words[frame_list, : machine.platform.paging.p2m_frames(pages)].astype(np.int64)
    _own(machine, domain, "a frame of the P2M", frames)
    p2m = machine.frames.read(frames).reshape(-1)[:pages]
    _own(machine, domain, "a frame in the P2M", p2m.astype(np.int64))
    return Told(frame_map_of(machine, p2m), record, frame_list, frames)


def stored_p2m(machine: Machine, domain: DomainRecord, pages: Numbers) -> FrameMap:
    """The machine's P2M, which the guest's P2M ``pages`` (PFNs) must hold too. Raises DomainError where they do not."""
    p2m = machine_p2m(machine, domain)
    expected = machine.platform.paging.p2m_frames(len(p2m))
    if len(pages) != expected or (pages >= len(p2m)).any():
        raise DomainError("the frame list of the domain is damaged", expected=f"{expected} pages below 0x{len(p2m):x}")
    told = machine.frames.read(p2m[pages]).view(machine.platform.word).reshape(-1)[: len(p2m)]
    if not np.array_equal(told, p2m):
        pfn = int((told != p2m).argmax())
        per_page = PAGE_SIZE // machine.platform.paging.word
        raise DomainError(
            f"the guest's P2M is wrong for page 0x{pfn:x}",
            expected=f"MFN 0x{int(p2m[pfn]):05x}",
            got=f"MFN 0x{int(told[pfn]):05x} in PFN 0x{int(pages[pfn // per_page]):x}",
        )
    return frame_map_of(machine, p2m)


def _own(machine: Machine, domain: DomainRecord, what: str, mfns: Numbers) -> None:
    table, inside = machine.table, machine.table.inside(mfns)
    owned = (table.owner[inside] == domain.id) & table.has(inside, FrameFlag.ALLOCATED)
    foreign = ~owned
    if foreign.any():
        raise DomainError(f"{what} is no page of the domain", got=f"MFN 0x{int(mfns[foreign.argmax()]):05x}")
