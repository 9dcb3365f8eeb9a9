"""Tests of domctx.groups: records gathered under one digest."""

from __future__ import annotations

import itertools

import blake3
import pytest
from hypothesis import given, strategies as st

from domctx import groups
from domctx.groups import Group, GroupDigests, Unobserved
from domctx.wire import pack_header, record_size

SIZES = st.lists(st.tuples(st.sampled_from([0x10200, 0x8001_0200, 0x10300]), st.integers(0, 60)), max_size=20)


def observe(gathered: GroupDigests, records: list[tuple[int, int]], cut: int) -> bytes:
    """Tell records of (type, length) one by one, ``cut`` octets at a time; the stream."""
    stream = b""
    for instance, (type_, length) in enumerate(records):
        octets = (pack_header(type_, instance, length) + bytes([instance]) * length).ljust(record_size(length), b"\0")
        gathered.record(type_, instance, len(stream), len(octets))
        for start in range(0, len(octets), cut):
            gathered.octets(octets[start : start + cut])
        stream += octets
    return stream


@given(SIZES, st.integers(1, 50))
def test_groups_follow_each_other_and_hold_their_digests(records: list[tuple[int, int]], cut: int) -> None:
    """One type each, at most GROUP_LIMIT octets unless a single record is larger, and never two that fit together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "GROUP_LIMIT", 100)
        gathered = GroupDigests()
        stream = observe(gathered, records, cut)
        found = gathered.finish()
    assert gathered.records == sum(group.records for group in found) == len(records)
    position = instance = 0
    for group in found:
        assert (group.offset, group.instance) == (position, instance)
        assert {type_ for type_, _ in records[instance : instance + group.records]} == {group.type}
        assert group.length <= 100 or group.records == 1
        assert group.digest == blake3.blake3(stream[position : position + group.length]).digest()
        position += group.length
        instance += group.records
    assert position == len(stream)
    for one, other in itertools.pairwise(found):
        first = record_size(records[other.instance][1])
        assert one.type != other.type or one.length + first > 100


@given(st.integers(0, 40), st.integers(0, 30), st.integers(0, 50), st.lists(st.integers(1, 7), max_size=4))
def test_batches_make_the_same_groups(count: int, length: int, before: int, cuts: list[int]) -> None:
    """However they are cut, and whatever stands before them."""
    records = [(0x10200, before), *[(0x10200, length)] * count]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "GROUP_LIMIT", 200)
        single, batched = GroupDigests(), GroupDigests()
        stream = observe(single, records, 1000)
        observe(batched, records[:1], 1000)
        offset, size, done = record_size(before), record_size(length), 0
        for number in [*cuts, count]:
            number = min(number, count - done)
            if number:
                piece = stream[offset : offset + number * size]
                batched.batch(0x10200, 1 + done, number, offset, size, piece)
            offset, done = offset + number * size, done + number
        assert batched.finish() == single.finish()
        assert batched.records == single.records


def test_without_hashing_only_the_digests_are_missing() -> None:
    """Types, counts, offsets and lengths are the same."""
    records = [(0x10200, 5), (0x10300, 70_000), (0x10300, 1)]
    plain, hashed = GroupDigests(hashing=False), GroupDigests()
    observe(plain, records, 99)
    observe(hashed, records, 99)
    assert plain.finish() == [group._replace(digest=b"") for group in hashed.finish()]


def test_nothing_gives_no_group() -> None:
    """And finishing again changes nothing."""
    gathered = GroupDigests()
    assert gathered.finish() == []
    gathered.record(1, 0, 0, 24)
    gathered.octets(bytes(24))
    once = list(gathered.finish())
    assert once == [Group(1, 0, 1, 0, 24, blake3.blake3(bytes(24)).digest())]
    assert gathered.finish() == once


def test_an_observer_may_look_at_nothing() -> None:
    """It takes everything, and keeps nothing."""
    nobody = Unobserved()
    nobody.record(1, 0, 0, 24)
    nobody.octets(b"")
    nobody.batch(1, 0, 1, 0, 16, bytes(16))
    assert not vars(nobody)
