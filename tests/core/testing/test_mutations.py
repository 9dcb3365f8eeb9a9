"""Strategies for streams of records, and for damaged octets."""

from __future__ import annotations

import pytest
from hypothesis import assume, find, given, settings, strategies as st

from domctx.errors import DomctxError
from domctx.load import load
from domctx.sources import BytesSource
from domctx.testing import StatesTarget, mutated, record_streams, registry_of
from domctx.testing.streams import split
from domctx.wire import OPTIONAL, TYPE_END, TYPE_START

OCTETS = bytes(range(48))


@given(st.data())
def test_mutated_changes_a_little(data: st.DataObject) -> None:
    """At most four changes of sixteen octets each; the rest stays."""
    changed = data.draw(mutated(OCTETS))
    assert abs(len(changed) - len(OCTETS)) <= 4 * 16


@pytest.mark.parametrize(
    "wanted",
    [
        lambda octets: len(octets) == 48 and sum(a != b for a, b in zip(octets, OCTETS, strict=True)) == 1,
        lambda octets: len(octets) < 48,
        lambda octets: len(octets) > 48,
        lambda octets: any(2 * bytes(range(first, first + 4)) in octets for first in range(45)),
        lambda octets: any(bytes(range(first + 3, first - 1, -1)) in octets for first in range(1, 45)),
        lambda octets: b"\xff\xff\xff\xff\xff\xff\xff\x7f" in octets,
    ],
    ids=["flip", "remove", "insert", "double", "turn", "number"],
)
def test_mutated_knows_each_kind_of_damage(wanted: object) -> None:
    """Octets come flipped, taken out, put in, doubled, turned round, and overwritten by numbers at their limits."""
    find(mutated(OCTETS), wanted, settings=settings(max_examples=5000, database=None))  # type: ignore[arg-type]


@given(record_streams())
def test_record_streams_are_well_framed(octets: bytes) -> None:
    """A stream is START, records of types that nobody knows, and END."""
    first, *records, last = split(octets)
    assert (first.type, first.instance, len(first.body)) == (TYPE_START, 0, 8)
    assert (last.type, last.instance, last.body) == (TYPE_END, 0, b"")
    assert all(0x2_0000 <= record.type & ~OPTIONAL <= 0x7FFF_FFFF for record in records)


@given(record_streams(), st.data())
def test_damaged_streams_are_refused_or_read(octets: bytes, data: st.DataObject) -> None:
    """Whatever is done to a stream, a load ends in commit, or in abort with a DomctxError."""
    changed = data.draw(mutated(octets))
    assume(changed != octets)
    target = StatesTarget({})
    try:
        load(BytesSource(changed), target, registry_of([]))
    except DomctxError:
        assert target.ended == "aborted"
    else:
        assert target.ended == "committed"
