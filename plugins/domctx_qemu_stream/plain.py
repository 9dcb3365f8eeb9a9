"""What a stream keeps of itself when it comes back as a plain one: a file that QEMU loads without any capability set.

How a machine was saved (return path, postcopy, mapped-ram, shared memory left out) is no part of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from domctx.errors import DomainError
from domctx.values import frozen
from domctx_qemu_stream.configuration import PREFIX, Configuration
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.layout import IGNORE_SHARED, MAPPED_RAM, Command, Element
from domctx_qemu_stream.octets import Octets

CAPABILITIES: Final = PREFIX + "capabilities"
UUID: Final = PREFIX + "uuid"
KEPT: Final = Command.SWITCHOVER_START
"""The one command of a file that QEMU writes: 10.0 and later, before the sections end."""


def capabilities(configuration: Configuration, *, shared: bool) -> tuple[str, ...]:
    """The capabilities of the stream that is written: x-ignore-shared just where blocks are left out."""
    left = [name for name in configuration.capabilities if name not in (IGNORE_SHARED, MAPPED_RAM)]
    return (IGNORE_SHARED, *left) if shared else tuple(left)


def dropped(configuration: Configuration, *, shared: bool) -> tuple[str, ...]:
    """The capabilities of the configuration that are not written."""
    names = capabilities(configuration, shared=shared)
    return tuple(name for name in configuration.capabilities if name not in names)


def configure(configuration: Configuration, names: Sequence[str]) -> bytes:
    """The element CONFIGURATION with other capabilities; nothing else of it changes.

    Raises DomainError where there is none to put capabilities into.
    """
    octets = configuration.octets
    if tuple(names) == configuration.capabilities:
        return octets
    if not octets:
        raise DomainError("a stream without a configuration cannot leave out shared memory")
    place = octets.find(_subsection(UUID))
    old = _listed(configuration.capabilities)
    if old:
        return octets.replace(old, _listed(names), 1)
    place = len(octets) if place < 0 else place
    return octets[:place] + _listed(names) + octets[place:]


def _subsection(name: str) -> bytes:
    return bytes((Element.SUBSECTION, len(name))) + name.encode() + (1).to_bytes(4, "big")


def _listed(names: Sequence[str]) -> bytes:
    """The subsection that lists capabilities; none where there are none (formats/qemu.md 1.3)."""
    texts = b"".join(bytes((len(name),)) + name.encode("latin-1") for name in names)
    return _subsection(CAPABILITIES) + len(names).to_bytes(4, "big") + texts if names else b""


@frozen
class Commands:
    """The commands that are written again, and the names of those that are not."""

    kept: bytes = b""
    dropped: tuple[str, ...] = ()


def choose(octets: bytes) -> Commands:
    """Which of the commands of a stream belong into a plain one. Raises StreamError where they cannot be read."""
    cursor = Cursor(Octets(octets), 0)
    left: dict[str, None] = {}
    kept = b""
    while cursor.peek() is not None:
        at = cursor.offset
        cursor.expect(Element.COMMAND, 1, "a command")
        number, size = cursor.number(2, "a command"), cursor.number(2, "a command")
        cursor.skip(size, "a command")
        if number == KEPT:
            kept = octets[at : cursor.offset]
        else:
            left[Command(number).name if number in list(Command) else f"0x{number:04x}"] = None
    return Commands(kept, tuple(left))


def describe(text: bytes, names: Collection[str]) -> bytes:
    """The description without the capabilities ``names``, which are not written; QEMU 8.2 and later describe them.

    Of the text only that part of it changes (formats/qemu.md 1.4).
    """
    place = text.find(b'"configuration"')
    start = text.find(b"{", place)
    if not names or place < 0 or start < 0:
        return text
    try:
        value, length = json.JSONDecoder().raw_decode(text[start:].decode("latin-1"))
    except (ValueError, RecursionError):
        return text
    found = _without(value)
    return text[:start] + json.dumps(found).encode("latin-1") + text[start + length :]


def _without(configuration: dict[str, Any]) -> dict[str, Any]:
    """The description of a configuration without its capabilities."""
    parts = configuration.get("subsections")
    if not isinstance(parts, list):
        return configuration
    left = [part for part in parts if not isinstance(part, dict) or part.get("vmsd_name") != CAPABILITIES]
    found = {key: value for key, value in configuration.items() if key != "subsections"}
    return found | {"subsections": left} if left else found
