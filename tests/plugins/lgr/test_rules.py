"""The rules of the restore over whole files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from domctx.errors import DomainError, RecordError
from domctx.requires import Requires
from domctx.states import GDT, MEMORY, PAGE_TABLES, VCPUS
from domctx_cpu import StoredVcpus
from domctx_lgr import check_rules
from domctx_lgr.plugin import coverage
from domctx_page_tables import StoredPageTables
from helpers.lgr_domains import opened
from helpers.lgr_files import (
    DIRECTORY,
    ESI_AT,
    GDT_FRAMES_AT,
    LDT_BASE_AT,
    LDT_ENTS_AT,
    PAGE_TABLE,
    PT_BASE_AT,
    VARIANTS,
    Guest,
    a3,
    make_guest,
    patch,
)


def test_good_files_keep_every_rule(tmp_path: Path) -> None:
    """A guest that was saved as it should be passes in every variant."""
    for make in VARIANTS.values():
        domain = opened(tmp_path, make(make_guest(30, 1, gdt_entries=600)))
        check_rules(domain)
        domain.close()


def in_context(at: int, *words: int) -> Callable[[Guest], Guest]:
    """The guest with other words in its context."""
    return lambda guest: attrs.evolve(guest, context=patch(guest.context, at, *words))


def in_page(pfn: int, index: int, entry: int) -> Callable[[Guest], Guest]:
    """The guest with another entry in a page."""

    def change(guest: Guest) -> Guest:
        pages = list(guest.pages)
        pages[pfn] = patch(pages[pfn], 4 * index, entry)
        return attrs.evolve(guest, pages=tuple(pages))

    return change


def in_types(pfn: int, type_: int) -> Callable[[Guest], Guest]:
    """The guest with another type for a page."""

    def change(guest: Guest) -> Guest:
        types = list(guest.types)
        types[pfn] = type_
        return attrs.evolve(guest, types=tuple(types))

    return change


BROKEN: dict[str, tuple[Callable[[Guest], Guest], str]] = {
    "step 3: a name that is not ASCII": (
        lambda guest: attrs.evolve(guest, name=b"caf\xe9".ljust(16, b"\0")),
        "character 3 of the name is not ASCII",
    ),
    "step 8: a page that the domain does not have": (
        in_page(PAGE_TABLE, 5, 8 << 12 | 1),
        "L1 table PFN 0x00000003, entry 0x005: a present entry points past the domain's last page",
    ),
    "step 8: a writable page table": (
        in_page(PAGE_TABLE, 6, PAGE_TABLE << 12 | 3),
        "L1 table PFN 0x00000003, entry 0x006: a page table is mapped writable",
    ),
    "step 8: a directory entry to a plain page": (
        in_page(DIRECTORY, 7, 1),
        "L2 table PFN 0x00000004, entry 0x007: an entry points to a page that is no L1 table",
    ),
    "an L3 table": (in_types(5, 3), "PFN 0x00000005 is typed as a table that i386 two-level paging does not have"),
    "an L4 table": (in_types(6, 4), "PFN 0x00000006 is typed as a table that i386 two-level paging does not have"),
    "step 10: a suspend record in a page table": (
        in_context(ESI_AT, 3),
        "the suspend record .* has the wrong page type",
    ),
    "step 11: a GDT in a page table": (in_context(GDT_FRAMES_AT, 3), "a GDT frame .* has the wrong page type"),
    "step 12: a base that is no L2 table": (in_context(PT_BASE_AT, 0), "the page directory .* has the wrong page type"),
    "step 13: a P2M frame in a page table": (
        lambda guest: attrs.evolve(guest, frame_page=patch(guest.frame_page, 0, 3)),
        r"frame_list\[0\] names PFN 0x00000003, which is a page table",
    ),
    "step 14: an LDT off its page": (in_context(LDT_BASE_AT, 0x1001), "the LDT is not page aligned"),
    "step 14: an LDT too long": (in_context(LDT_ENTS_AT, 8193), "the LDT has too many entries"),
    "step 14: an LDT of the hypervisor": (in_context(LDT_BASE_AT, 0xFD000000), "the LDT lies in the hypervisor's"),
    "step 14: an LDT that reaches too far": (
        in_context(LDT_BASE_AT, 0xFBFFF000, 513),
        "the LDT reaches into the hypervisor's",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_rule_is_named_and_the_file_still_opens(tmp_path: Path, name: str) -> None:
    """A file that breaks one rule opens, and its check and its coverage refuse it with the rule."""
    change, message = BROKEN[name]
    guest = make_guest(8, 1)
    guest = attrs.evolve(guest, types=(*guest.types[:5], 0, 0, 0), pages=(*guest.pages[:5], *[bytes(4096)] * 3))
    guest = in_page(PAGE_TABLE, 0, 0)(attrs.evolve(guest, pages=clean(guest)))
    check_rules(opened(tmp_path, a3(guest)))
    domain = opened(tmp_path, a3(change(guest)))
    for check in (check_rules, lambda domain: list(coverage(domain))):
        with pytest.raises(RecordError, match=message):
            check(domain)
    domain.close()


def clean(guest: Guest) -> tuple[bytes, ...]:
    """The guest's pages with empty page tables but for one entry of the directory."""
    directory = patch(bytes(4096), 0, PAGE_TABLE << 12 | 0x67)
    return (*guest.pages[:PAGE_TABLE], bytes(4096), directory, *[bytes(4096)] * 3)


class Without(Requires):
    """A domain with some states replaced, or left out where they are None."""

    location = ""

    def __init__(self, domain: Any, states: dict[Any, Any]) -> None:
        self.machine = domain.machine
        self._domain = domain
        self._states = states

    def state(self, key: Any) -> Any:
        """A state."""
        return self._states[key] if key in self._states else self._domain.state(key)


@pytest.mark.parametrize(
    ("key", "state", "message"),
    [
        (MEMORY, None, "there is no state 'memory' in it"),
        (VCPUS, None, "there is no state 'vcpus' in it"),
        (VCPUS, StoredVcpus(), "the domain has no vCPU"),
        (PAGE_TABLES, StoredPageTables(), "the domain's page tables are not known"),
    ],
)
def test_a_domain_that_lacks_a_state_is_refused(tmp_path: Path, key: Any, state: Any, message: str) -> None:
    """A rule is about states, and without them there is no verdict."""
    domain = opened(tmp_path, a3(make_guest(8)))
    lacking: Any = Without(domain, {key: state})
    with pytest.raises(DomainError, match=message):
        check_rules(lacking)
    domain.close()


def test_a_domain_without_gdts_runs_on_the_hypervisors(tmp_path: Path) -> None:
    """Where there is no GDT state there are no frames to check."""
    domain = opened(tmp_path, a3(make_guest(8)))
    lacking: Any = Without(domain, {GDT: None})
    check_rules(lacking)
    domain.close()
