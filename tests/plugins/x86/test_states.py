"""Registers that are decoded when they are asked for."""

from __future__ import annotations

import pytest

from domctx_x86.states import Decoded
from domctx_x86.vcpu import NARROW, Registers


def test_a_vcpu_is_decoded_once_and_when_it_is_asked_for() -> None:
    """Ids come ascending; those that are not there are not decoded."""
    asked: list[int] = []

    def decode(vcpu: int) -> Registers:
        asked.append(vcpu)
        return Registers(architecture=NARROW, general={"rip": vcpu}, segments={}, control={})

    found = Decoded([3, 0], decode)
    assert (list(found), len(found), asked) == ([0, 3], 2, [])
    assert found[3].general["rip"] == 3
    assert found[3] is found[3]
    assert asked == [3]
    with pytest.raises(KeyError):
        found[1]
