"""Tests of domctx.ledger: which instances a type may have."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st

from domctx.api import Instances
from domctx.ledger import Ledger
from helpers.toy_images import toy
from helpers.toys import DIAL_CODE


def ledger(instances: Instances) -> Ledger:
    """A ledger of a type with these instances."""
    return Ledger(attrs.evolve(toy(DIAL_CODE), instances=instances))


@pytest.mark.parametrize(
    ("kind", "good", "bad", "problem"),
    [
        (Instances.SINGLE, [], 1, "the type has instance 0 only"),
        (Instances.SINGLE, [0], 0, "the type has one record only, this is another"),
        (Instances.SINGLE, [0], 1, "the type has instance 0 only"),
        (Instances.DENSE, [], 1, "instances run from 0 without a gap, expected 0"),
        (Instances.DENSE, [0, 1], 3, "instances run from 0 without a gap, expected 2"),
        (Instances.DENSE, [0, 1], 1, "instances run from 0 without a gap, expected 2"),
        (Instances.DENSE, [0], 0, "instances run from 0 without a gap, expected 1"),
        (Instances.KEYED, [7, 0, 0xFFFF_FFFF], 7, "this instance stands in the image twice"),
    ],
)
def test_each_instance_has_its_place(kind: Instances, good: list[int], bad: int, problem: str) -> None:
    """One by one and many at once, with the same words."""
    one, many = ledger(kind), ledger(kind)
    assert [one.claim(instance) for instance in good] == [None] * len(good)
    assert one.claim(bad) == problem
    assert many.claim_all(np.array([*good, bad], np.uint32)) == (len(good), problem)


EVEN = st.builds(
    lambda start, count, step: [start + step * number for number in range(count)],
    st.integers(0, 1),
    st.integers(0, 6),
    st.integers(1, 2),
)


@given(st.lists(st.integers(0, 5), max_size=8) | EVEN, st.integers(0, 8), st.sampled_from(list(Instances)))
def test_many_at_once_are_as_one_by_one(instances: list[int], cut: int, kind: Instances) -> None:
    """However they are cut into batches."""
    one, many = ledger(kind), ledger(kind)
    expected = next(
        ((place, problem) for place, instance in enumerate(instances) if (problem := one.claim(instance))), None
    )
    found = many.claim_all(np.array(instances[:cut], np.uint32))
    if found is None:
        later = many.claim_all(np.array(instances[cut:], np.uint32))
        found = later and (later[0] + len(instances[:cut]), later[1])
    assert found == expected
