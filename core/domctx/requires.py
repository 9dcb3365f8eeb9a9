"""``require`` of everything that has states: a provider, or an error that names what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from domctx.errors import DomainError

if TYPE_CHECKING:
    from domctx.api import StateKey

T = TypeVar("T")


class Requires:
    """What a Domain is made of, so that it has ``require``."""

    def state(self, key: StateKey[T]) -> T | None:
        """As of every Domain."""
        raise NotImplementedError

    def require(self, key: StateKey[T]) -> T:
        """As ``state``. Raises DomainError where there is none."""
        found = self.state(key)
        if found is None:
            raise DomainError(f"there is no state {key.name!r} in it", file=getattr(self, "location", None) or None)
        return found
