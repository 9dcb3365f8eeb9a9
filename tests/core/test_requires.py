"""``require`` of what has states."""

from __future__ import annotations

import pytest

from domctx.api import Machine, StateKey
from domctx.errors import DomainError
from domctx.requires import Requires
from domctx.testing import StatesDomain

KEY: StateKey[int] = StateKey("acme/number")


def test_a_state_or_its_name() -> None:
    """A provider that is false in a condition is one, too; what is not there is named, with its file."""
    domain = StatesDomain(Machine("m", "x86_64"), {KEY: 0})
    assert domain.require(KEY) == 0
    other: StateKey[int] = StateKey("acme/other")
    with pytest.raises(DomainError, match=r"^there is no state 'acme/other' in it$"):
        domain.require(other)
    domain.location = "a.vm"
    with pytest.raises(DomainError, match=r"^a\.vm: there is no state 'acme/other' in it$"):
        domain.require(other)


def test_who_requires_has_states() -> None:
    """A class that gives no states of its own says so."""
    with pytest.raises(NotImplementedError):
        Requires().require(KEY)
