"""The record type TSC_INFO, driven as the core drives it."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, strategies as st

from domctx.api import Images
from domctx.errors import RecordError, StreamError, UsageError
from domctx.states import CLOCK, Clock, TscContext
from domctx.testing import RecordTypeContract
from domctx_clock import StoredClock
from domctx_clock.plugin import domctx_record_types
from helpers.clock_states import stored_clocks
from helpers.record_road import Road, accepted_cuts, silent_flips

(TYPE,) = domctx_record_types()
ROAD = Road(TYPE)
TSC = TscContext(2, 2_400_000, 1_000_000_000, 3)
STATE = StoredClock(TSC)
BODY = bytes.fromhex("02000000 009f2400 00ca9a3b00000000 03000000")
"""``STATE``, composed by hand from formats/xen.md 2.2."""


class TestTscInfoContract(RecordTypeContract):
    """TSC_INFO keeps the contract of record types."""

    record_type = TYPE

    def states(self) -> st.SearchStrategy[StoredClock]:
        """Clocks of records of either length."""
        return stored_clocks()

    def may_be_body(self, body: bytes) -> bool:
        """Xen has bodies of two lengths: what is cut or lengthened from one to the other is a good one."""
        return len(body) == 20 or (len(body) == 24 and not any(body[20:]))


class LiveClock:
    """A CLOCK of a live domain, which knows nothing of records."""

    def __init__(self) -> None:
        self.tsc: TscContext | None = None

    def store(self, tsc: TscContext) -> None:
        """Take the TSC state."""
        self.tsc = tsc


def test_the_type_is_xens_own() -> None:
    """Type 3, in plain v10 images and in ours."""
    assert (TYPE.code, TYPE.name, TYPE.state) == (3, "TSC_INFO", CLOCK)
    assert TYPE.images == Images.PLAIN | Images.DOMCTX


@given(stored_clocks())
def test_records_come_back_and_their_size_is_known(saved: StoredClock) -> None:
    """What is saved loads to an equal state; the declared size is the real one."""
    octets = ROAD.save(saved)
    assert ROAD.size(saved) == len(octets)
    loaded = ROAD.load(octets)
    assert (loaded.tsc, loaded.posted) == (saved.tsc, saved.posted)


def test_an_empty_clock_has_no_record() -> None:
    """A domain whose TSC state is not known saves nothing."""
    assert ROAD.save(StoredClock()) == b""
    assert ROAD.size(StoredClock()) == 0


def test_the_body_is_the_specified_one() -> None:
    """By default 20 octets are written, just as the reference has them."""
    assert ROAD.body(STATE) == BODY


@pytest.mark.parametrize(("wanted", "tail"), [("20", b""), ("24", bytes(4))])
@pytest.mark.parametrize("posted", [False, True])
def test_the_length_can_be_asked_for(wanted: str, tail: bytes, posted: bool) -> None:
    """``-O tsc-info`` decides between the specified and the posted length, whatever the source had."""
    road = Road(TYPE, (f"tsc-info={wanted}",))
    assert road.body(StoredClock(STATE.tsc, posted=posted)) == BODY + tail
    assert road.size(STATE) == len(road.save(STATE)) == 40


def test_another_length_cannot_be_asked_for() -> None:
    """There are two lengths to choose from."""
    with pytest.raises(UsageError, match="expected 20 or 24"):
        Road(TYPE, ("tsc-info=22",)).save(STATE)


def test_what_came_in_as_24_octets_goes_out_as_24() -> None:
    """A file of the posted saver comes back byte for byte."""
    loaded = ROAD.load_body(BODY + bytes(4))
    assert loaded.tsc == STATE.tsc
    assert ROAD.body(loaded) == BODY + bytes(4)


def test_a_live_clock_takes_both_lengths() -> None:
    """A clock that knows nothing of records is loaded from either body, and is saved to the specified one."""
    live: Clock = LiveClock()
    ROAD.load_body(BODY + bytes(4), live)
    assert live.tsc == STATE.tsc
    assert ROAD.body(live) == BODY


@pytest.mark.parametrize("size", [0, 4, 19, 21, 22, 23])
def test_other_lengths_are_refused(size: int) -> None:
    """A body of neither 20 nor 24 octets is refused: nothing is extended with zeros."""
    with pytest.raises(RecordError, match=rf"expected 0x00000014 octets, got 0x{size:08x}"):
        ROAD.load_body((BODY + bytes(8))[:size])


def test_a_longer_body_is_not_even_read() -> None:
    """A body over 24 octets is refused by its length."""
    with pytest.raises(StreamError, match="over the type's largest"):
        ROAD.load_body(BODY + bytes(5))


@pytest.mark.parametrize("place", range(4))
def test_a_tail_that_is_not_zero_is_refused(place: int) -> None:
    """The four octets that the posted saver wrote behind are zero."""
    tail = bytearray(4)
    tail[place] = 1
    with pytest.raises(RecordError, match=f"tail of the body is not zero; expected 00 00 00 00, got {tail.hex(' ')}"):
        ROAD.load_body(BODY + tail)


def test_damage_is_refused_or_comes_back() -> None:
    """Every cut is refused but the one from 24 to 20; every flipped bit is refused or comes back."""
    assert accepted_cuts(ROAD, BODY) == []
    assert accepted_cuts(ROAD, BODY + bytes(4)) == [20]
    assert silent_flips(ROAD, BODY, range(160)) == []
    assert silent_flips(ROAD, BODY + bytes(4), range(192)) == []


@pytest.mark.parametrize("tail", [b"", bytes(4)])
def test_show_names_the_fields(tail: bytes) -> None:
    """``show`` gives the four fields of a body of either length."""
    assert ROAD.show(BODY + tail) == {"mode": 2, "khz": 2_400_000, "nsec": 1_000_000_000, "incarnation": 3}


def test_diff_names_the_field_that_changed() -> None:
    """A change of any field is found, and told by its name."""
    for name, value in {"mode": 1, "khz": 5, "nsec": 6, "incarnation": 7}.items():
        ((record, path, _, new),) = ROAD.diff(STATE, StoredClock(attrs.evolve(TSC, **{name: value})))
        assert (record, path, new) == ("TSC_INFO[0]", name, value)


def test_diff_tells_states_and_lengths_apart() -> None:
    """A clock that one side lacks is told; another length of the body is told and not counted."""
    assert ROAD.diff(STATE, StoredClock()) == [("TSC_INFO[0]", "", "present", None)]
    assert ROAD.diff(StoredClock(), STATE) == [("TSC_INFO[0]", "", None, "present")]
    assert ROAD.diff(StoredClock(), StoredClock()) == ROAD.diff(STATE, STATE) == []
    (found,) = ROAD.differences(STATE, StoredClock(STATE.tsc, posted=True))
    assert (found.path, found.a, found.b, found.counted) == ("length", 20, 24, False)


@given(st.integers(3, 0xFFFF_FFFF))
def test_modes_of_other_xens_are_kept(mode: int) -> None:
    """A mode without a name here is the domain's to judge: it is kept."""
    state = StoredClock(TscContext(mode, 1, 2, 3))
    assert ROAD.load(ROAD.save(state)).tsc == state.tsc
