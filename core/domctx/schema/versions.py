"""Bodies of older versions: the chain of small functions that converts them up."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from domctx.errors import UnsupportedError

Upgrades = Mapping[int, Callable[[bytes], bytes]]
"""From version N the function that converts a body to version N + 1."""


def upgrade(body: bytes, found: int, wanted: int, upgrades: Upgrades) -> bytes:
    """``body`` of version ``found`` as one of version ``wanted``.

    Raises UnsupportedError where ``upgrades`` has no chain from one to the other.
    """
    if not 1 <= found <= wanted:
        raise UnsupportedError(
            "a body of another version", expected=f"1 to {wanted}", got=found, hint="update domctx or the plugin"
        )
    for version in range(found, wanted):
        if version not in upgrades:
            raise UnsupportedError(f"nothing converts a body of version {version} to version {version + 1}")
        body = upgrades[version](body)
    return body
