"""Bodies of other versions: the chain of small functions that converts old ones up, and the known part of new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from domctx.errors import UnsupportedError
from domctx.schema.codec import Buffer, decode
from domctx.schema.plan import layout_of

T = TypeVar("T")
Upgrades = Mapping[int, Callable[[bytes], bytes]]
"""From version N the function that converts a body to version N + 1."""


def upgrade(body: bytes, found: int, wanted: int, upgrades: Upgrades) -> bytes:
    """``body`` of version ``found`` as one of version ``wanted``.

    Raises UnsupportedError where ``upgrades`` has no chain from one to the other.
    """
    if not 1 <= found <= wanted:
        raise UnsupportedError("a body of another version", expected=f"1 to {wanted}", got=found)
    for version in range(found, wanted):
        if version not in upgrades:
            raise UnsupportedError(f"nothing converts a body of version {version} to version {version + 1}")
        body = upgrades[version](body)
    return body


def decode_version(cls: type[T], body: Buffer, found: int, wanted: int, upgrades: Upgrades) -> T:
    """The object of a layout class of version ``wanted`` that a body of version ``found`` holds.

    An older body is converted up by ``upgrades`` to the end of their chain, and fields that came later take their
    defaults. Of a newer one, which its writer calls readable, the part that is known counts: what it has behind the
    last field is left. Raises RecordError as ``decode``, UnsupportedError where the chain begins with a later version
    and for a version below 1.
    """
    if found < 1:
        raise UnsupportedError(f"{cls.__name__}: a body of version {found}", expected="1 or more")
    if found > wanted:
        layout = layout_of(cls)
        known = memoryview(body)[: layout.plan(wanted).size] if layout.plan(wanted).tail is None else body
        return decode(cls, known, wanted)
    reached = next((version for version in range(found, wanted) if version not in upgrades), wanted)
    if any(version in upgrades for version in range(reached, wanted)):
        raise UnsupportedError(f"nothing converts a body of version {reached} to version {reached + 1}")
    if reached > found:
        body = upgrade(bytes(body), found, reached, upgrades)
    return decode(cls, body, reached)
