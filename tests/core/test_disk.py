"""Tests of domctx.disk: what the operating system refuses."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from domctx.disk import met_anywhere, refused
from domctx.errors import DomainError


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space, and try again"),
        (errno.EDQUOT, "free some space, and try again"),
        (errno.EFBIG, "free some space, and try again"),
        (errno.EMFILE, "see ulimit -n"),
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


def test_what_any_call_may_meet() -> None:
    """A full disk, a pipe without a reader; no error of a wrong call, and none that is not the system's."""
    found = met_anywhere(OSError(errno.ENOSPC, "words", "f"))
    assert str(found) == "f: No space left on device\n  free some space, and try again"
    assert str(met_anywhere(OSError(errno.EIO, "words", 5))) == "Input/output error"
    assert str(met_anywhere(BrokenPipeError())) == "Broken pipe"
    assert met_anywhere(OSError(errno.EINVAL, "words")) is None
    assert met_anywhere(OSError("words")) is None
    assert met_anywhere(ValueError("words")) is None
