"""What Domains have in common that stand in files of other formats."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from domctx.files import in_file
from domctx.requires import Requires

if TYPE_CHECKING:
    from domctx.api import StateKey

T = TypeVar("T")


class FileDomain(Requires):
    """A Domain that was read from a file: it does not run, and what the file holds is what it owns.

    A subclass gives ``scheme``, ``machine`` and ``close`` as every Domain has them, and ``states``; where some of these
    cost much to find, or cannot be found while others can, it answers for each of them in ``state`` instead.
    """

    one_pass = False
    location: str

    @property
    def populated(self) -> int | None:
        """Octets of its memory that have frames, where that is less than its blocks' sizes and the file tells it."""
        return None

    @functools.cached_property
    def states(self) -> Mapping[StateKey[Any], Any]:
        """The providers of the states that the file holds, found when they are first asked for."""
        raise NotImplementedError

    def state(self, key: StateKey[T]) -> T | None:
        """The provider of a state, or None. Raises DomctxError where the file is damaged."""
        with in_file(self.location):
            return cast("T | None", self.states.get(key))

    def owned_states(self) -> Sequence[StateKey[Any]]:
        """What the file holds. Raises as ``state``."""
        with in_file(self.location):
            return tuple(self.states)

    def pause(self) -> None:
        """A file does not run."""

    def unpause(self) -> None:
        """A file does not run."""
