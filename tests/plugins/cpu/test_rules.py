"""What a context must obey before a machine takes it."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import RecordError
from domctx.states import PageType
from domctx_cpu.layout import FullExecutionContext, TrapInfo
from domctx_cpu.rules import check_context, sanitise
from helpers.vcpu_states import full_contexts, plain_context

PFNS = 12


def page_types(**changes: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Types of twelve pages: 9 is a pinned L2 table, the others are ordinary, but for ``changes`` (``p3=...``)."""
    types = np.zeros(PFNS, np.uint8)
    types[9] = PageType.L2TAB | PageType.PINNED
    for name, value in changes.items():
        types[int(name[1:])] = value
    return types


def context(**changes: Any) -> FullExecutionContext:
    """A good context but for ``changes``; ``esi`` is a register."""
    base = plain_context()
    esi = changes.pop("esi", base.cpu_ctxt.esi)
    return attrs.evolve(base, cpu_ctxt=attrs.evolve(base.cpu_ctxt, esi=esi), **changes)


def test_a_context_that_is_safe_stays_as_it_is() -> None:
    """Sanitising changes nothing where nothing asks for ring 0 and the vectors are in order."""
    assert sanitise(plain_context()) == plain_context()


def test_ring_0_becomes_ring_1_and_vectors_their_index() -> None:
    """Selectors with RPL 0 become Xen's flat ring-1 segments; every trap's vector is its index."""
    traps = [TrapInfo(0, 1, 0x0018, 5)] * 255 + [TrapInfo(7, 4, 0x082B, 6)]
    unsafe = context(
        trap_ctxt=tuple(traps), guestos_ss=0x0020, event_callback_cs=0, failsafe_callback_cs=0xFFFC, ldt_base=0
    )
    safe = sanitise(unsafe)
    assert safe.trap_ctxt[:255] == tuple(TrapInfo(vector, 1, 0x0819, 5) for vector in range(255))
    assert safe.trap_ctxt[255] == TrapInfo(255, 4, 0x082B, 6)
    assert (safe.guestos_ss, safe.event_callback_cs, safe.failsafe_callback_cs) == (0x0821, 0x0819, 0x0819)


@settings(max_examples=25, deadline=None)
@given(full_contexts, st.integers(0, 0xFB00), st.integers(0, 8192))
def test_sanitised_contexts_are_safe_and_stay_so(found: FullExecutionContext, page: int, entries: int) -> None:
    """After sanitising no selector asks for ring 0, sanitising again changes nothing, and no other field differs."""
    once = sanitise(attrs.evolve(found, ldt_base=page << 12, ldt_ents=entries))
    selectors = [trap.cs for trap in once.trap_ctxt]
    selectors += [once.guestos_ss, once.event_callback_cs, once.failsafe_callback_cs]
    assert all(selector & 3 for selector in selectors)
    assert sanitise(once) == once
    assert (once.cpu_ctxt, once.fpu_ctxt, once.debugreg) == (found.cpu_ctxt, found.fpu_ctxt, found.debugreg)


@pytest.mark.parametrize(
    ("base", "entries", "message"),
    [
        (0xC0100800, 1, r"the LDT is not page aligned; .* got 0xc0100800"),
        (0xC0100000, 8193, r"too many entries; expected ldt_ents at most 0x00002000, got 0x00002001"),
        (0xFC001000, 0, r"lies in the hypervisor's addresses; expected ldt_base at most 0xfc000000, got 0xfc001000"),
        (0xFBFFF000, 513, r"reaches into the hypervisor's addresses; .* at most 0xfc000000, got 0xfc000008"),
    ],
)
def test_a_bad_ldt_is_refused(base: int, entries: int, message: str) -> None:
    """Each rule of the LDT has its own message."""
    with pytest.raises(RecordError, match=message):
        sanitise(context(ldt_base=base, ldt_ents=entries))


@pytest.mark.parametrize(("base", "entries"), [(0, 0), (0xFC000000, 0), (0xFBFFF000, 512), (0xFBFF0000, 8192)])
def test_an_ldt_at_the_limits_is_accepted(base: int, entries: int) -> None:
    """An LDT may end exactly where the hypervisor's addresses begin, and have 8192 entries."""
    assert sanitise(context(ldt_base=base, ldt_ents=entries)).ldt_ents == entries


def test_a_good_context_passes() -> None:
    """Frames within the domain and of the right type are accepted, whether pinned or not."""
    check_context(plain_context(), PFNS, page_types())
    check_context(context(gdt_ents=8192, gdt_frames=(3,) * 16), PFNS, page_types(p9=PageType.L2TAB))


def test_frames_behind_the_last_entry_are_not_looked_at() -> None:
    """Of sixteen GDT frames only those count that the entries reach."""
    check_context(context(gdt_ents=512, gdt_frames=(3, *[0xFFFFFFFF] * 15)), PFNS, page_types())


@pytest.mark.parametrize(
    ("changes", "types", "message"),
    [
        ({"esi": 12}, {}, r"esi\) lies outside .* expected a PFN below 0x0000000c, got 0x0000000c"),
        (
            {},
            {"p7": 1},
            r"esi\) has the wrong page type; expected .* 0x00 \(NOTAB\) at PFN 0x00000007, got 0x01",
        ),
        ({"gdt_ents": 8193}, {}, r"gdt_ents at most 0x00002000, got 0x00002001"),
        ({"gdt_ents": 513, "gdt_frames": (3, 12, *[0] * 14)}, {}, r"gdt_frames\[1\]\) lies outside"),
        ({"gdt_ents": 513, "gdt_frames": (3, 9, *[0] * 14)}, {}, r"gdt_frames\[1\]\) has the wrong page type"),
        ({"pt_base": 12 << 12}, {}, r"pt_base\) lies outside"),
        ({"pt_base": 8 << 12}, {}, r"pt_base\) has the wrong page type; expected page type 0x02 \(L2TAB\) .* got 0x00"),
        ({}, {"p9": 9}, r"pt_base\) has the wrong page type; .* got 0x01"),
    ],
)
def test_a_frame_that_may_not_be_there_is_refused(changes: dict[str, Any], types: dict[str, int], message: str) -> None:
    """Each frame that a context names must lie in the domain and have the type that its use needs."""
    with pytest.raises(RecordError, match=message):
        check_context(context(**changes), PFNS, page_types(**types))
