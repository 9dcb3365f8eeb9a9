"""How long a stream can be, by its head alone: what is not there yet, as a packed one, is bounded by it."""

from __future__ import annotations

from typing import Final

from domctx.errors import DomctxError
from domctx_qemu_stream.configuration import read_configuration
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.layout import MAX_RAM, PAGE_SIZE, RAM, Command, Element, Flag

ROUNDS: Final = 2
SLACK: Final = 64 << 20
"""A stream may be ROUNDS times as long as the RAM that it tells of, and SLACK octets besides."""


def longest(file: StreamFile) -> int:
    """The octets that a stream may have that begins as ``file`` does."""
    try:
        return ROUNDS * min(_ram(file), MAX_RAM) + SLACK
    except DomctxError:  # told when the stream is read
        return SLACK


def _ram(file: StreamFile) -> int:
    """The octets of RAM that a stream's head tells of; none where RAM does not come first."""
    cursor = Cursor(file, read_configuration(file).end)
    while cursor.peek() == Element.COMMAND:
        cursor.skip(1, "a command")
        if cursor.number(2, "a command") not in list(Command):
            return 0
        cursor.skip(cursor.number(2, "a command"), "a command")
    if cursor.number(1, "an element") != Element.SECTION_START:
        return 0
    cursor.skip(4, "a section's header")
    if cursor.text("a section's header") != RAM:
        return 0
    cursor.skip(8, "a section's header")
    word = cursor.number(8, "its RAM")
    return word & ~(PAGE_SIZE - 1) if word & Flag.MEM_SIZE else 0
