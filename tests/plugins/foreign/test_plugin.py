"""The record types FOREIGN_HEAD and FOREIGN_TAIL, driven as the core drives them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import RecordError
from domctx.states import FOREIGN_HEAD, FOREIGN_TAIL, ForeignPart
from domctx.testing import RecordTypeContract
from domctx_foreign import StoredForeign
from domctx_foreign.plugin import domctx_record_types
from helpers.foreign_states import stored_foreign
from helpers.record_road import Road, accepted_cuts, silent_flips

HEAD, TAIL = domctx_record_types()
ROADS = [Road(HEAD), Road(TAIL)]


class TestHeadContract(RecordTypeContract):
    """FOREIGN_HEAD keeps the contract of record types."""

    record_type = HEAD
    max_changes = 512

    def states(self) -> st.SearchStrategy[StoredForeign]:
        """States of one part and more."""
        return stored_foreign(least=1)


class TestTailContract(TestHeadContract):
    """FOREIGN_TAIL keeps the contract of record types."""

    record_type = TAIL


def test_the_types_are_those_of_the_design() -> None:
    """Codes, names and states are those of DESIGN.md section 4."""
    assert (HEAD.code, HEAD.name, HEAD.state) == (0x0001_0020, "FOREIGN_HEAD", FOREIGN_HEAD)
    assert (TAIL.code, TAIL.name, TAIL.state) == (0x0001_FE00, "FOREIGN_TAIL", FOREIGN_TAIL)


@pytest.mark.parametrize("road", ROADS, ids=["head", "tail"])
@settings(max_examples=40)
@given(saved=stored_foreign())
def test_records_come_back_and_their_size_is_known(road: Road, saved: StoredForeign) -> None:
    """What is saved loads to an equal state, in dense records; the declared size is the real one."""
    octets = road.save(saved)
    assert road.size(saved) == len(octets)
    assert road.load(octets).parts == saved.parts
    assert [instance for instance, _ in road.bodies(saved)] == list(range(len(saved.parts)))


@pytest.mark.parametrize("road", ROADS, ids=["head", "tail"])
def test_damage_is_refused_or_comes_back(road: Road) -> None:
    """Every cut and every octet more is refused; every flipped bit is refused or saves to just that again."""
    body = road.body(StoredForeign([ForeignPart("lgr", "frame list", b"\x01\x02")]))
    assert accepted_cuts(road, body) == []
    assert accepted_cuts(road, body + bytes(1)) == [len(body)]
    assert silent_flips(road, body, range(8 * len(body))) == []


def test_a_part_of_another_length_is_refused() -> None:
    """A part is as long as its body says."""
    body = ROADS[0].body(StoredForeign([ForeignPart("lgr", "frame list", b"\x01\x02")]))
    with pytest.raises(RecordError, match=r"not as long as it says; expected 0x0000000000000002 octets, got 0x0+3$"):
        ROADS[0].load_body(body + b"\x03")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (ForeignPart("x" * 33, "", b""), "format: too long; expected at most 32 characters, got 33"),
        (ForeignPart("", "x" * 225, b""), "name: too long; expected at most 224 characters, got 225"),
        (ForeignPart("", "\u20ac", b""), "name: not latin-1"),
    ],
)
def test_names_that_no_body_holds_are_refused(part: ForeignPart, message: str) -> None:
    """A name that is too long or not latin-1 is refused when it is saved."""
    with pytest.raises(RecordError, match=message):
        ROADS[0].save(StoredForeign([part]))


def test_show_tells_where_a_part_comes_from_and_what_it_is() -> None:
    """``show`` gives format, name, size, digest, and the first 64 octets."""
    octets = bytes(range(100))
    assert ROADS[1].show(ROADS[1].body(StoredForeign([ForeignPart("xen", "config", octets)]))) == {
        "format": "xen",
        "name": "config",
        "size": 100,
        "sha256": hashlib.sha256(octets).hexdigest(),
        "head": octets[:64].hex(),
    }
