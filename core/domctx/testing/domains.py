"""A Domain and a Target made of states in memory: what tests save from and load into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from domctx.api import Machine, StateKey
from domctx.requires import Requires

T = TypeVar("T")


class StatesDomain(Requires):
    """A Domain that holds the given states; ``owned`` are saved (None: all of them)."""

    scheme = "states"
    location = ""
    one_pass = False

    def __init__(
        self, machine: Machine, states: Mapping[StateKey[Any], Any], owned: tuple[StateKey[Any], ...] | None = None
    ) -> None:
        self.machine = machine
        self._states = dict(states)
        self._owned = tuple(self._states) if owned is None else owned

    def state(self, key: StateKey[T]) -> T | None:
        """The state, or None."""
        return cast("T | None", self._states.get(key))

    def owned_states(self) -> tuple[StateKey[Any], ...]:
        """The states that are saved."""
        return self._owned

    def pause(self) -> None:
        """Nothing runs."""

    def unpause(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing to release."""


class StatesTarget:
    """A Target of new states in memory, made when the machine is known; says whether it was committed or aborted."""

    scheme = "states"
    location = ""

    def __init__(
        self,
        new_states: Mapping[StateKey[Any], Callable[[Machine], Any]],
        machine: Machine = Machine("", ""),  # noqa: B008 (frozen)
    ) -> None:
        self._new_states = new_states
        self.states: dict[StateKey[Any], Any] = {}
        self.machine = machine
        """What ``prepare`` tells; the one given at first where it is not called (a plain v10 image)."""
        self.ended = ""
        """``committed`` or ``aborted``; "" while it is being filled."""

    def prepare(self, machine: Machine) -> None:
        """Take the description."""
        self.machine = machine

    def state(self, key: StateKey[T]) -> T | None:
        """The state, made when it is first asked for; None for one that the target does not have."""
        if key not in self.states and key in self._new_states:
            self.states[key] = self._new_states[key](self.machine)
        return cast("T | None", self.states.get(key))

    def commit(self) -> None:
        """Note that all is well."""
        self.ended = "committed"

    def abort(self) -> None:
        """Drop the states."""
        self.states.clear()
        self.ended = "aborted"
