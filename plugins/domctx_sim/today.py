"""Guests of today's Xen, saved and brought back: start_info, the P2M and its lists, and the shared-info page.

A guest that suspended itself has unmapped shared_info and holds start_info's frame in a register (EDX, RDX). For one
that did not the machine keeps that register, and the mappings, beside; start_info, the P2M and the lists stay where
the builder put them, so that nothing is displaced. Source: formats/xen.md 4.5.
"""

from __future__ import annotations

import attrs
import numpy as np

from domctx.errors import DomainError
from domctx.states import PageTablesContext, Suspension
from domctx_page_tables import NO_PFN, FrameMap
from domctx_sim import start_info
from domctx_sim.arrays import Numbers, Words
from domctx_sim.home import Home
from domctx_sim.lists import Lists, contents, follow, top_of, with_arch
from domctx_sim.machine import Machine
from domctx_sim.p2m import stored_p2m
from domctx_sim.processor import processor_of
from domctx_sim.special import mappings, without
from domctx_sim.suspension import address
from domctx_sim.view import View, make_view, page_types, pfn_of


def suspended(machine: Machine) -> View:
    """The view of a domain that suspended itself. Raises DomainError where its register or its P2M is not good."""
    frame_map, frame_list = _p2m(machine)
    register = processor_of(machine.platform).record(machine.domain.cpu)
    record = pfn_of("start_info", frame_map, register)
    overlay = _overlay(machine, frame_map, contents(machine.platform, frame_list, None, _pfns(frame_map)), record)
    return make_view(machine, frame_map, record, frame_list, overlay)


def suspend(machine: Machine) -> View:
    """The view of a domain that runs or is paused, suspended on its behalf. Raises DomainError as ``suspended``."""
    domain, processor = machine.domain, processor_of(machine.platform)
    if domain.reserved is None:
        raise DomainError("the domain has no start_info", hint="it can be saved once it has suspended itself")
    frame_map, frame_list = _p2m(machine)
    if domain.reserved >= frame_map.pfns:
        expected, got = f"below 0x{frame_map.pfns:x}", f"PFN 0x{domain.reserved:x}"
        raise DomainError("the domain's start_info is no page of it", expected=expected, got=got)
    page = machine.frames.words[domain.shared_info_frame].tobytes()
    lists = _lists(machine, frame_map, frame_list, page)
    types = page_types(machine, domain, frame_map)
    special = mappings(machine, frame_map, types, domain.shared_info_frame)
    overlay = without(special, machine, frame_map)
    known = contents(machine.platform, frame_list, lists, _pfns(frame_map))
    overlay.update(_overlay(machine, frame_map, known, domain.reserved))
    suspension = Suspension(registers={processor.register: processor.record(domain.cpu)}, displaced={})
    return make_view(
        machine,
        frame_map,
        domain.reserved,
        frame_list,
        overlay,
        special=special,
        suspension=suspension,
        shared_info=page if lists is None else _with_top(machine, page, lists.top),
    )


def _p2m(machine: Machine) -> tuple[FrameMap, tuple[int, ...]]:
    frame_list = machine.domain.frame_list or ()
    return stored_p2m(machine, machine.domain, np.array(frame_list, np.int64)), frame_list


def _pfns(frame_map: FrameMap) -> Numbers:
    return np.arange(frame_map.pfns)


def _overlay(machine: Machine, frame_map: FrameMap, known: dict[int, Words], record: int) -> dict[int, Words]:
    """The pages that name machine frames, and start_info, which forgets the machine."""
    page = machine.frames.words[frame_map.p2m[record]].copy()
    info = start_info.read(page, machine.platform)
    rings = [_pfn_or_same(frame_map, number) for number in (info.store_mfn, info.console_mfn)]
    start_info.write(page, attrs.evolve(info, shared_info=0, store_mfn=rings[0], console_mfn=rings[1]))
    return {**known, record: page}


def _pfn_or_same(frame_map: FrameMap, mfn: int) -> int:
    pfn = int(frame_map.pfn_of(np.array([mfn], np.uint64))[0])
    return mfn if pfn == NO_PFN else pfn


def _lists(machine: Machine, frame_map: FrameMap, frame_list: tuple[int, ...], page: bytes) -> Lists | None:
    """The lists that a shared-info page leads to; None where the guest keeps none."""
    top = top_of(page, machine.platform)
    if not top:
        return None
    first = pfn_of("pfn_to_mfn_frame_list_list", frame_map, top)

    def read(pfn: int) -> Words:
        page: Words = machine.frames.words[frame_map.mfn_of(np.array([pfn]))[0]]
        return page

    return follow(machine.platform, first, frame_list, read, frame_map.pfn_of)


def _with_top(machine: Machine, page: bytes, top: int) -> bytes:
    return with_arch(page, machine.platform, pfn_to_mfn_frame_list_list=top)


def arrive(home: Home, record: int, tables: PageTablesContext, page: bytes) -> tuple[int, bytes]:
    """Bring start_info, the P2M and its lists up to date in new frames.

    ``record`` is start_info's PFN, ``page`` the saved shared-info page. Returns what the register must hold, and the
    shared-info page for this machine. Raises DomainError for lists or rings that are not good.
    """
    suspension, domain = tables.suspension, home.domain
    domain.frame_list = tables.frame_list
    if suspension is None and tables.special:
        raise DomainError("a domain that suspended itself has given up all mappings of shared_info")
    _write(home, contents(home.platform, tables.frame_list, _saved_lists(home, tables, page), home.p2m))
    _write(home, {record: _start_info(home, record)})
    if suspension is None:
        domain.run_state = "suspended"
        return home.mfn(record), with_arch(page, home.platform, pfn_to_mfn_frame_list_list=0, p2m_cr3=0)
    register = processor_of(home.platform).register
    if suspension.registers.keys() != {register} or suspension.displaced:
        what = ", ".join([*suspension.registers, *(["displaced pages"] if suspension.displaced else [])])
        raise DomainError(f"the suspension must have replaced {register.upper()} alone", got=what[:60])
    domain.reserved = record
    top = top_of(page, home.platform)
    here = with_arch(page, home.platform, pfn_to_mfn_frame_list_list=home.mfn(top)) if top else page
    return suspension.registers[register], here


def _saved_lists(home: Home, tables: PageTablesContext, page: bytes) -> Lists | None:
    """The lists of a domain that was suspended on its behalf: canonical in its pages and in its shared-info page."""
    top = top_of(page, home.platform)
    if tables.suspension is None or not top:
        return None

    def read(pfn: int) -> Words:
        if pfn >= home.pages:
            raise DomainError("the lists of the P2M name no page of the domain", got=f"PFN 0x{pfn:x}")
        return home.page(pfn)

    return follow(home.platform, top, tables.frame_list, read, lambda numbers: numbers)


def _write(home: Home, pages: dict[int, Words]) -> None:
    home.write(np.array(list(pages)), np.stack(list(pages.values())))


def _start_info(home: Home, record: int) -> Words:
    page = home.page(record)
    info = start_info.read(page, home.platform)
    rings = [home.mfn(pfn) if pfn < home.pages else pfn for pfn in (info.store_mfn, info.console_mfn)]
    changes = {"store_mfn": rings[0], "console_mfn": rings[1], "flags": 0, "nr_pages": home.pages}
    start_info.write(page, attrs.evolve(info, shared_info=address(home.domain.shared_info_frame), **changes))
    return page
