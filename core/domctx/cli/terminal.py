"""What is told on standard error, and how text from files is kept from moving a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import IO

import click


def printable(text: str) -> str:
    """A line as it may go to a terminal: names come from files, and may hold what a terminal obeys, or more lines."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode() for char in text
    )


def complain(text: str) -> None:
    """Tell the user something on standard error; where nobody reads that, nothing is told."""
    try:
        click.echo("\n".join(map(printable, text.split("\n"))), err=True)
    except OSError:
        silence(sys.stderr)


def is_unread(stream: IO[str] | None) -> bool:
    """Whether a standard stream is a pipe or a socket that nobody reads any more."""
    if stream is None:
        return False
    import select  # few commands lose their reader

    poll = select.poll()
    try:
        poll.register(stream, 0)
    except io.UnsupportedOperation:  # a stream in memory has no descriptor
        return False
    return any(told & (select.POLLERR | select.POLLHUP) for _, told in poll.poll(0))


def silence(stream: IO[str]) -> None:
    """Let a standard stream go nowhere from here on, or the interpreter tries again to write what is left in it."""
    with contextlib.suppress(io.UnsupportedOperation):  # a stream in memory has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
