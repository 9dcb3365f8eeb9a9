"""Domains and targets made of states in memory."""

from __future__ import annotations

from domctx.api import Machine
from domctx.testing import StatesDomain, StatesTarget
from helpers.counters import COUNTERS, Counters

MACHINE = Machine("m", "i386")


def test_domain_gives_its_states() -> None:
    """A domain gives the states that it was made of, and owns those that it was told to."""
    counters = Counters()
    domain = StatesDomain(MACHINE, {COUNTERS: counters})
    assert domain.state(COUNTERS) is counters
    assert domain.owned_states() == (COUNTERS,)
    assert StatesDomain(MACHINE, {COUNTERS: counters}, owned=()).owned_states() == ()
    assert StatesDomain(MACHINE, {}).state(COUNTERS) is None
    assert (domain.machine, domain.one_pass) == (MACHINE, False)


def test_domain_stands_still() -> None:
    """Pausing, going on and closing change nothing."""
    domain = StatesDomain(MACHINE, {})
    domain.pause()
    domain.unpause()
    domain.close()


def test_target_makes_states_when_asked() -> None:
    """A target makes each state once, for the machine that it was told."""
    machines = []

    def new(machine: Machine) -> Counters:
        machines.append(machine)
        return Counters()

    target = StatesTarget({COUNTERS: new})
    target.prepare(MACHINE)
    assert target.state(COUNTERS) is target.state(COUNTERS)
    assert machines == [MACHINE]
    assert StatesTarget({}).state(COUNTERS) is None


def test_target_ends_once() -> None:
    """A target says whether it was committed or aborted; an aborted one keeps nothing."""
    target = StatesTarget({COUNTERS: lambda machine: Counters()}, MACHINE)
    target.state(COUNTERS)
    assert target.ended == ""
    target.commit()
    assert (target.ended, list(target.states)) == ("committed", [COUNTERS])
    target.abort()
    assert (target.ended, list(target.states)) == ("aborted", [])
