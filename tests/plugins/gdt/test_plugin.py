"""The record type GDT, driven as the core drives it."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from domctx.schema import decode, differences
from domctx.states import GDT, GdtContext
from domctx.testing import RecordTypeContract
from domctx_gdt import StoredGdt
from domctx_gdt.layout import GdtBody
from domctx_gdt.plugin import domctx_record_types
from helpers.record_road import Road, accepted_cuts, silent_flips
from helpers.vcpu_states import stored_gdts

(TYPE,) = domctx_record_types()
ROAD = Road(TYPE)
STATE = StoredGdt({4: GdtContext((0x2A, 0x2B), 600)})


class TestGdtContract(RecordTypeContract):
    """GDT keeps the contract of record types."""

    record_type = TYPE
    max_changes = 512

    def states(self) -> st.SearchStrategy[StoredGdt]:
        """States of one GDT and more."""
        return stored_gdts(least=1)


def test_the_type_is_the_one_of_the_design() -> None:
    """Code, name and state are those of DESIGN.md section 4."""
    assert (TYPE.code, TYPE.name, TYPE.state) == (0x0001_0210, "GDT", GDT)


@settings(max_examples=30, deadline=None)
@given(stored_gdts())
def test_records_come_back_and_their_size_is_known(saved: StoredGdt) -> None:
    """What is saved loads to an equal state, in records of vCPU ids; the declared size is the real one."""
    octets = ROAD.save(saved)
    assert ROAD.size(saved) == len(octets)
    assert ROAD.load(octets).contexts == saved.contexts


def test_damage_is_refused_or_comes_back() -> None:
    """Every cut of a body is refused; every flipped bit is refused or loads to a state that saves to just that."""
    body = ROAD.body(STATE)
    assert accepted_cuts(ROAD, body, 4) == []
    assert accepted_cuts(ROAD, body + bytes(1), 4) == [len(body)]
    assert silent_flips(ROAD, body, range(8 * len(body)), 4) == []


def test_show_tells_the_frames_that_count() -> None:
    """``show`` gives the entries and no more frames than they reach."""
    assert ROAD.show(ROAD.body(STATE), 4) == {"entries": 600, "frames": [0x2A, 0x2B]}


def test_a_changed_frame_is_named() -> None:
    """Two bodies are compared by field: the frame that differs is named."""
    bodies = [decode(GdtBody, ROAD.body(StoredGdt({0: GdtContext((1, last), 600)}))) for last in (2, 3)]
    assert list(differences(*bodies)) == [("frames[1]", 2, 3)]
