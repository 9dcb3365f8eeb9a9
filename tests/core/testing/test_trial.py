"""How a rule is judged, and how a failure reads."""

from __future__ import annotations

import pytest

from domctx.api import Machine
from domctx.testing import BrokenContract
from domctx.testing.harness import Harness
from domctx.testing.streams import RawRecord
from domctx.testing.trial import RECORDS, Trial, compared
from helpers.counters import COUNTER, CounterBody, Counters


def trial() -> Trial:
    """A rule on the counters."""
    return Trial(Harness(COUNTER, Machine("m", "i386")), "a rule", lambda body: False, 100)


def test_compared_tells_where_streams_part() -> None:
    """The first octet that differs, what was expected there and what was got; the end where one is over."""
    assert compared(b"abcd", b"abxd") == "from octet 0x2 of the stream on; expected 63 64, got 78 64"
    assert compared(b"ab", b"abc") == "from octet 0x2 of the stream on; expected the end, got 63"


def test_a_failure_quotes_the_body() -> None:
    """A record is named with its instance, its length and the first octets of its body."""
    assert trial().name(RawRecord(COUNTER.code, 3, b"\1\2")) == "acme/counter[3] of 2 octets (01 02)"
    assert trial().name(RawRecord(COUNTER.code, 3, bytes(65))).endswith("00 ...)")


def test_a_few_of_many_records_are_changed() -> None:
    """Of many records the first and the last, and some between, are changed."""
    state = Counters({instance: CounterBody(instance, 1) for instance in range(100)})
    places = [index for _, index in trial().bodies(state)]
    assert (len(places), places[0], places[-1]) == (RECORDS, 0, 99)


def test_a_road_that_must_refuse() -> None:
    """A road that accepts breaks the rule."""
    with pytest.raises(BrokenContract, match="acme/counter: a rule: this road is accepted"):
        trial().refused(lambda: None, "this road")
