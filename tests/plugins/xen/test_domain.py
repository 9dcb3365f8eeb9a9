"""An opened stream as a domain: what it tells of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domctx.api import Placement, StateKey
from domctx.errors import StreamError
from domctx.states import DEVICES, FOREIGN_HEAD, FOREIGN_TAIL, MEMORY
from domctx_xen.vcpus import hvm_vcpus
from helpers import xen_streams as xs
from helpers.xen_streams import made
from helpers.xen_verdicts import domain_of, opened


def test_the_machine_is_described(tmp_path: Path) -> None:
    """Name and UUID by xl's header, one block whose PFNs are addresses, vCPUs by their records."""
    machine = domain_of(tmp_path, *xs.xl(xs.pv(4, count=2))).machine
    assert (machine.name, machine.uuid, machine.hypervisor) == ("toy", xs.UUID, "xen")
    assert (machine.architecture, machine.vcpus, machine.run_state) == ("i386", (0, 1), "suspended")
    (block,) = machine.blocks
    assert (block.name, block.pages) == ("ram", xs.PAGES)
    assert block.placements == (Placement(0, 0, xs.PAGES * 4096),)


def test_a_domain_without_pages_has_no_memory(tmp_path: Path) -> None:
    """Nor a block."""
    domain = domain_of(tmp_path, xs.headers(2), xs.STATIC_END, xs.record(9, xs.hvm_context()), xs.END)
    assert domain.machine.blocks == ()
    assert domain.state(MEMORY) is None
    assert MEMORY not in domain.owned_states()
    assert domain.state(DEVICES) is None


def test_what_has_frames_is_told_where_addresses_reach_further(tmp_path: Path) -> None:
    """Pages that are not there, or broken, have none; pages that are only populated have."""
    assert domain_of(tmp_path, *xs.hvm()).populated == 4 * 4096
    whole, broken = [(xs.entry(0), xs.page(1))], [(xs.entry(1, 0xD), None), (xs.entry(7), xs.page(2))]
    for pages, octets in ((whole, None), (whole + broken, 2 * 4096)):
        parts = [xs.page_data(*pages) if part == xs.hvm_pages() else part for part in xs.hvm()]
        assert domain_of(tmp_path, *parts).populated == octets


def test_a_guest_without_a_p2m_has_no_page_tables(tmp_path: Path) -> None:
    """Nothing tells how many pages it has."""
    domain = domain_of(tmp_path, xs.headers(1), xs.pv_info(), xs.STATIC_END, xs.END)
    assert domain.machine.pv_levels is None
    assert domain.machine.vcpus == ()


def test_a_file_is_given_back_as_it_was(tmp_path: Path) -> None:
    """It does not run, and its parts are read when they are asked for."""
    domain = domain_of(tmp_path, *xs.hvm())
    domain.pause()
    domain.unpause()
    assert domain.owned_states()[0] is FOREIGN_HEAD
    assert domain.owned_states()[-1] is FOREIGN_TAIL
    domain.close()


def test_what_is_not_read_to_its_end_is_told_twice(tmp_path: Path) -> None:
    """As a note when it is opened, as an error when a state is asked for."""
    notes: list[str] = []
    path = made(*xs.hvm()[:-1]).write(tmp_path)
    domain = opened(path, notes)
    assert "not read to its end" in notes[0]
    assert domain.machine.blocks[0].pages == 5
    keys: tuple[StateKey[Any], ...] = (MEMORY, FOREIGN_HEAD, FOREIGN_TAIL)
    for key in keys:
        with pytest.raises(StreamError, match="ends early"):
            domain.state(key)


def test_notes_tell_of_records_that_came_again_and_of_a_configuration_that_is_none(tmp_path: Path) -> None:
    """Both are accepted."""
    notes: list[str] = []
    domain_of(tmp_path, *xs.xl([*xs.hvm()[:-1], xs.tsc(), xs.END], settings=b"{"), notes=notes)
    assert "1 records were told more than once" in notes[0]
    assert "xl's configuration is no JSON" in notes[1]


def test_vcpus_of_an_hvm_guest() -> None:
    """By the entries of its context."""
    assert hvm_vcpus(xs.hvm_context(3)) == (0, 1, 2)
