"""What stands before the page types, made of a domain's states; what the format cannot hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from domctx.api import RamBlock, StateKey
from domctx.errors import DomainError
from domctx.requires import Requires
from domctx.states import (
    CLOCK,
    FOREIGN_HEAD,
    FOREIGN_TAIL,
    GDT,
    MEMORY,
    PAGE_TABLES,
    SHARED_INFO,
    VCPUS,
    ForeignPart,
    GdtContext,
    PageTablesContext,
    SharedInfoContext,
    SpecialMapping,
    Suspension,
    VcpuContext,
)
from domctx_cpu import StoredVcpus
from domctx_foreign import StoredForeign
from domctx_gdt import StoredGdt
from domctx_lgr import LgrDomain
from domctx_lgr.compose import compose
from domctx_lgr.domain import NAME_REST
from domctx_page_tables import StoredPageTables
from domctx_shared_info import StoredSharedInfo
from helpers.lgr_domains import Context, opened, written
from helpers.lgr_files import a0, a3, make_guest


class Edited(Requires):
    """A domain with some states replaced, or left out where they are None."""

    location = ""
    one_pass = False

    def __init__(self, domain: LgrDomain, states: dict[StateKey[Any], Any], name: str | None = None) -> None:
        self.machine = attrs.evolve(domain.machine, name=domain.machine.name if name is None else name)
        self._domain = domain
        self._states = states

    def state(self, key: StateKey[Any]) -> Any:
        """A state."""
        return self._states[key] if key in self._states else self._domain.state(key)

    def owned_states(self) -> list[StateKey[Any]]:
        """All states that there are."""
        keys = dict.fromkeys([*self._domain.owned_states(), *self._states])
        return [key for key in keys if self.state(key) is not None]


@pytest.fixture
def domain(tmp_path: Path) -> LgrDomain:
    """A good guest of eight pages."""
    return opened(tmp_path, a3(make_guest(8)))


def tables_of(domain: LgrDomain) -> PageTablesContext:
    """The guest's page tables."""
    state = domain.state(PAGE_TABLES)
    assert state is not None
    assert state.context is not None
    return state.context


class Blocks:
    """A memory with other blocks."""

    def __init__(self, *blocks: RamBlock) -> None:
        self.blocks = blocks


def tables(**fields: Any) -> Callable[[LgrDomain], dict[StateKey[Any], Any]]:
    """Page tables with other fields."""
    return lambda domain: {PAGE_TABLES: StoredPageTables(attrs.evolve(tables_of(domain), **fields))}


def memory(*blocks: RamBlock) -> Callable[[LgrDomain], dict[StateKey[Any], Any]]:
    """A memory with other blocks."""
    return lambda domain: {MEMORY: Blocks(*blocks)}


def vcpus(**contexts: VcpuContext) -> Callable[[LgrDomain], dict[StateKey[Any], Any]]:
    """Other vCPUs, named v0, v1, ..."""
    return lambda domain: {VCPUS: StoredVcpus({int(name[1:]): context for name, context in contexts.items()})}


ZEROS = VcpuContext("xen-2004-i386", bytes(2516))
ESI = VcpuContext("xen-2004-i386", bytes(16) + b"\x08" + bytes(2499))
REFUSED: dict[str, tuple[Callable[[LgrDomain], dict[StateKey[Any], Any]], str]] = {
    "no memory": (lambda domain: {MEMORY: None}, "there is no state 'memory' in it"),
    "no block": (memory(), "holds one RAM block; got 0"),
    "two blocks": (memory(RamBlock("a", 4096), RamBlock("b", 4096)), "holds one RAM block; got 2"),
    "large pages": (memory(RamBlock("a", 1 << 21, 21)), "holds whole pages of 4096 octets"),
    "half a page": (memory(RamBlock("a", 4097)), "holds whole pages of 4096 octets"),
    "no page": (memory(RamBlock("a", 0)), "does not hold that many pages"),
    "too many pages": (memory(RamBlock("a", (1 << 32) + 4096)), "does not hold that many pages"),
    "no page tables": (lambda domain: {PAGE_TABLES: None}, "there is no state 'page_tables' in it"),
    "empty page tables": (lambda domain: {PAGE_TABLES: StoredPageTables()}, "page tables are not known"),
    "PAE": (tables(width=8, levels=3), "holds i386 two-level page tables; got 3 levels with entries of 8"),
    "types of another size": (tables(types=np.zeros(7, dtype=np.uint8)), "the page types are not those of the memory"),
    "a type that there is not": (
        tables(types=np.array([0, 0, 0, 5, 2, 0, 0, 0], dtype=np.uint8)),
        "cannot hold the type of PFN 0x00000003",
    ),
    "no frame list": (tables(frame_list=()), "the domain has no frame list for all of its pages"),
    "a frame out of range": (tables(frame_list=(8,)), r"pfn_to_mfn_frame_list\[0\] is out of range"),
    "no vCPU": (vcpus(), "holds one vCPU; got 0"),
    "two vCPUs": (vcpus(v0=ZEROS, v1=ZEROS), "holds one vCPU; got 2"),
    "another vCPU context": (vcpus(v0=VcpuContext("xen-x86_64", b"")), "cannot hold this vCPU context"),
    "a suspend record out of range": (vcpus(v0=ESI), "esi, the suspend record, is out of range"),
    "another shared-info page": (
        lambda domain: {SHARED_INFO: StoredSharedInfo(SharedInfoContext("xen-x86_64", bytes(4096)))},
        "cannot hold this shared-info page",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_format_cannot_hold_is_refused_by_name(domain: LgrDomain, what: str) -> None:
    """A state that does not fit raises a DomainError that says which and why."""
    change, message = REFUSED[what]
    source: Any = Edited(domain, change(domain))
    with pytest.raises(DomainError) as caught:
        compose(source, Context())
    assert message.replace("\\", "") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [("x" * 17, "the name is too long for a LinuxGuestRecord"), ("žlutý", "the name is not of one octet")],
)
def test_names_that_do_not_fit_are_refused(domain: LgrDomain, name: str, message: str) -> None:
    """A name has at most 16 characters of one octet; another can be given."""
    source: Any = Edited(domain, {}, name)
    with pytest.raises(DomainError, match=message) as caught:
        compose(source, Context())
    assert caught.value.hint == "give another with -O name=NAME"
    assert written(source, name="short")[16:32] == b"short".ljust(16, b"\0")


def test_what_is_left_behind_is_told(domain: LgrDomain) -> None:
    """States, mappings and parts that the format has no place for are named, each once."""
    tail = StoredForeign([ForeignPart("xen", "x", b""), ForeignPart("qemu", "y", b""), ForeignPart("lgr", "z", b"")])
    page_tables = attrs.evolve(
        tables_of(domain),
        special=(SpecialMapping(3, 0, 0x23, "shared_info"),),
        suspension=Suspension(registers={}, displaced={}),
    )
    edits: dict[StateKey[Any], Any] = {
        CLOCK: object(),
        FOREIGN_TAIL: tail,
        PAGE_TABLES: StoredPageTables(page_tables),
        SHARED_INFO: None,
    }
    source: Any = Edited(domain, edits)
    context = Context()
    compose(source, context)
    assert context.notes == [
        "a LinuxGuestRecord does not hold the state 'clock': it is left behind",
        "what a qemu file had besides (foreign_tail) is left behind",
        "what a xen file had besides (foreign_tail) is left behind",
        "1 mappings of frames that are not the domain's own are left behind",
        "how to undo the suspension is left behind: the guest stays suspended",
        "the domain has no shared-info page: a page of zeros is written",
    ]


def test_the_oldest_variant_becomes_a_page_of_zeros(tmp_path: Path) -> None:
    """A0 has no shared-info page; written as A3 it has an empty one."""
    guest = make_guest(8)
    assert written(opened(tmp_path, a0(guest))) == a3(attrs.evolve(guest, shared_info=bytes(4096)))


def test_parts_that_no_longer_fit_are_dropped(domain: LgrDomain) -> None:
    """Octets behind a name return only behind a name of that length; a GDT that grew has no unused frames."""
    head = StoredForeign([ForeignPart("lgr", NAME_REST, b"rest"), ForeignPart("lgr", "else", b"x")])
    source: Any = Edited(domain, {FOREIGN_HEAD: head, GDT: StoredGdt({0: GdtContext((0, 1), 600)})})
    octets = written(source)
    assert octets[16:32] == b"guest".ljust(16, b"\0")
    assert octets[36 + 2388 : 36 + 2400] == bytes(4) + b"\x01" + bytes(7)
    fitting: Any = Edited(domain, {FOREIGN_HEAD: head}, "elevenchars")
    assert written(fitting)[16:32] == b"elevenchars\0rest"


def test_pins_are_left_behind(domain: LgrDomain) -> None:
    """A pinned page table is written as what it is used as, and that its pin is lost is told."""
    context = Context()
    pinned = np.array([0, 0, 0, 9, 10, 0, 0, 0], dtype=np.uint8)
    source: Any = Edited(domain, tables(types=pinned)(domain))
    assert compose(source, context).types.tolist() == [0, 0, 0, 1, 2, 0, 0, 0]
    assert [note for note in context.notes if "which page tables are pinned" in note]
