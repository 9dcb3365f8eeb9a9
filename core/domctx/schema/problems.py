"""How a refusal finds the name of its field on the way out, and how paths and numbers are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from domctx.errors import RecordError

_LONGEST_KEY: Final = 60


class FieldError(Exception):
    """Raised by the codec of one field; each level that it passes adds its name in front of ``path``."""

    def __init__(self, message: str, *, expected: object = None, got: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.got = got
        self.path = ""

    def within(self, name: str) -> FieldError:
        """Put ``name`` (``cs``, or ``[3]``) in front of the path, and return the error itself."""
        self.path = join(name, self.path)
        return self

    def refusal(self, whole: str) -> RecordError:
        """The RecordError that the caller of the codec gets; ``whole`` names what the path begins in."""
        return RecordError(f"{join(whole, self.path)}: {self.message}", expected=self.expected, got=self.got)


def join(first: str, rest: str) -> str:
    """A path within a path: ``traps`` and ``[3]``, ``[3]`` and ``cs``, or either and nothing."""
    return f"{first}.{rest}" if first and rest and not rest.startswith("[") else first + rest


def step(key: object) -> str:
    """How a path names an index of a list or a key of a dict: ``[3]``, ``name``, ``['two words']``."""
    if isinstance(key, str) and key.isascii() and key.isidentifier() and len(key) <= _LONGEST_KEY:
        return key
    text = repr(key)
    return f"[{text}]" if len(text) <= _LONGEST_KEY else f"[{text[:_LONGEST_KEY]}...]"


def number(value: int, octets: int) -> str:
    """A number in fixed-width hex, as messages and ``show`` print it."""
    return f"{'-' if value < 0 else ''}0x{abs(value):0{2 * octets}x}"


@contextmanager
def within(name: str) -> Iterator[None]:
    """Adds ``name`` to the path of a FieldError that the block raises; for roads that need not be quick."""
    try:
        yield
    except FieldError as error:
        raise error.within(name) from error.__cause__
