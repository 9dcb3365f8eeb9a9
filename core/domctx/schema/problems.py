"""How a refusal finds the name of its field on the way out."""

from __future__ import annotations

from domctx.errors import RecordError


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
        self.path = name + join(self.path)
        return self

    def refusal(self, cls: type) -> RecordError:
        """The RecordError that the caller of the codec gets."""
        place = f"{cls.__name__}{join(self.path)}"
        return RecordError(f"{place}: {self.message}", expected=self.expected, got=self.got)


def join(path: str) -> str:
    """``path`` as it follows a name: ``.cs``, ``[3]`` or nothing."""
    return f".{path}" if path and not path.startswith("[") else path


def number(value: int, octets: int) -> str:
    """A number in fixed-width hex, as messages and ``show`` print it."""
    return f"{'-' if value < 0 else ''}0x{abs(value):0{2 * octets}x}"
