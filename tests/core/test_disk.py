"""Tests of domctx.disk: what the operating system refuses."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from domctx.disk import refused
from domctx.errors import DomainError


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space, and try again"),
        (errno.EDQUOT, "free some space, and try again"),
        (errno.EFBIG, "free some space, and try again"),
        (errno.ESPIPE, "a pipe is read as standard input: write - for it"),
        (errno.EACCES, None),
    ],
)
def test_an_os_error_is_told_with_its_file(number: int, hint: str | None) -> None:
    """By the system's own words, and with what to do next where there is something to do."""
    error = refused(OSError(number, "words"), Path("/x/y"))
    assert isinstance(error, DomainError)
    assert (error.file, error.hint) == ("/x/y", hint)
    assert error.message != "words"


def test_an_os_error_without_a_number() -> None:
    """Is told in its own words."""
    assert str(refused(OSError("odd"), "f")) == "f: odd"
