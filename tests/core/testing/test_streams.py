"""Streams as lists of parts, and the places at which they are changed."""

from __future__ import annotations

from hypothesis import given, strategies as st

from domctx.testing import raw_records
from domctx.testing.streams import RawRecord, flipped, join, replaced, split, spread


@given(st.lists(raw_records(), max_size=4))
def test_split_undoes_join(records: list[RawRecord]) -> None:
    """Records that were joined are split into the same records."""
    assert split(join(records)) == records


def test_octets_of_a_record() -> None:
    """A record is its header, its body and zeros up to a multiple of eight, unless another padding is given."""
    record = RawRecord(0x10200, 7, b"abcde")
    assert record.octets().hex(" ", 4) == "00020100 07000000 05000000 00000000 61626364 65000000"
    assert RawRecord(1, 0, b"abcde", b"xyz").octets().endswith(b"abcdexyz")


def test_replaced_changes_one_record() -> None:
    """The record at one place gets another body and padding; the others stay."""
    records = [RawRecord(9, instance, b"12345678") for instance in range(3)]
    assert split(replaced(records, 1, b"x")) == [records[0], RawRecord(9, 1, b"x"), records[2]]
    assert replaced(records, 2, b"x", b"padding").endswith(b"xpadding")


def test_flipped_counts_bits_from_the_lowest() -> None:
    """Bit 0 is the lowest of the first octet; flipping twice changes nothing."""
    assert flipped(b"\0\0", 0) == b"\1\0"
    assert flipped(b"\0\0", 15) == b"\0\x80"
    assert flipped(flipped(b"ab", 11), 11) == b"ab"


@given(st.integers(0, 5000), st.integers(4, 100))
def test_spread_takes_all_or_a_sample_with_both_ends(count: int, limit: int) -> None:
    """Every place where they are few; of many just the limit, ascending, both ends among them, always the same."""
    places = list(spread(count, limit, b"seed"))
    assert places == sorted(set(places))
    assert len(places) == min(count, limit)
    assert not places or (places[0], places[-1]) == (0, count - 1)
    assert places == list(spread(count, limit, b"seed"))
