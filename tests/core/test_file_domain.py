"""Tests of domctx.file_domain: what a file holds is what its domain owns."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import pytest

from domctx.api import Domain, Machine, StateKey
from domctx.errors import StreamError
from domctx.file_domain import FileDomain

DIAL: StateKey[str] = StateKey("dial")
LAMP: StateKey[str] = StateKey("lamp")


class Letter(FileDomain):
    """A file with a dial."""

    scheme = "letter"
    machine = Machine("letter", "")
    location = "a.letter"
    looked = 0

    @functools.cached_property
    def states(self) -> Mapping[StateKey[Any], Any]:
        """Counts how often they are looked for."""
        self.looked += 1
        return {DIAL: "seven"}

    def close(self) -> None:
        """Nothing."""


class Torn(Letter):
    """One that cannot be read."""

    @functools.cached_property
    def states(self) -> Mapping[StateKey[Any], Any]:
        """Raises."""
        raise StreamError("the letter is torn", offset=7)


def test_what_the_file_holds_is_owned() -> None:
    """And looked for once, when something is first asked for; a pause changes nothing."""
    letter = Letter()
    domain: Domain = letter
    assert letter.looked == 0
    domain.pause()
    assert domain.owned_states() == (DIAL,)
    domain.unpause()
    assert (domain.state(DIAL), domain.state(LAMP)) == ("seven", None)
    assert letter.looked == 1
    assert domain.one_pass is False
    assert letter.populated is None


def test_errors_name_the_file() -> None:
    """Whatever is asked for."""
    domain = Torn()
    for call in (domain.owned_states, lambda: domain.state(LAMP)):
        with pytest.raises(StreamError, match=r"^a\.letter at 0x0000000000000007: the letter is torn$"):
            call()


def test_a_subclass_gives_the_states() -> None:
    """The base has none of its own."""

    class Bare(FileDomain):
        location = ""

    with pytest.raises(NotImplementedError):
        Bare().owned_states()
