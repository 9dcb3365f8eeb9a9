"""The errors that domctx raises, and the exit code of each; imports nothing.

Every refusal says where (file, offset, record), what was expected, what was got, and what to do next.
"""


class DomctxError(Exception):
    """Base of every refusal.

    ``message`` says what is wrong. ``file`` is a path or reference, ``offset`` a byte offset in it, ``record`` a
    rendered ``TYPE[instance]``; ``expected`` and ``got`` are rendered as they are; ``hint`` says what to do next.
    """

    exit_code = 70

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        offset: int | None = None,
        record: str | None = None,
        expected: object = None,
        got: object = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.offset = offset
        self.record = record
        self.expected = expected
        self.got = got
        self.hint = hint

    def at(self, *, file: str | None = None, offset: int | None = None, record: str | None = None) -> "DomctxError":
        """Fill in the places that are not known yet, and return the error itself."""
        self.file = self.file if self.file is not None else file
        self.offset = self.offset if self.offset is not None else offset
        self.record = self.record if self.record is not None else record
        return self

    def __str__(self) -> str:
        where = [str(self.file)] if self.file is not None else []
        if self.offset is not None:
            where.append(f"at 0x{self.offset:016x}")
        if self.record is not None:
            where.append(f"in {self.record}")
        text = f"{' '.join(where)}: {self.message}" if where else self.message
        if self.expected is not None:
            text += f"; expected {self.expected}"
        if self.got is not None:
            text += f"; got {self.got}" if self.expected is None else f", got {self.got}"
        return f"{_line(text)}\n  {_line(self.hint)}" if self.hint else _line(text)


def _line(text: str) -> str:
    """``text`` on one line: it may hold names that come from files."""
    return text.replace("\n", "\\n")


class UsageError(DomctxError):
    """The command, an option or a reference is wrong: exit code 2."""

    exit_code = 2


class StreamError(DomctxError):
    """The framing of a stream or file is broken: truncated, padded wrongly, out of order, digest wrong: exit code 3."""

    exit_code = 3


class RecordError(DomctxError):
    """The body of one record cannot be accepted: exit code 4."""

    exit_code = 4


class UnsupportedError(DomctxError):
    """A version, a record type or a feature that this reader does not know: exit code 5."""

    exit_code = 5


class DomainError(DomctxError):
    """The domain, the machine or the disk refused: exit code 6."""

    exit_code = 6


class PluginError(DomctxError):
    """A plugin broke its contract; the message names its distribution and entry point: exit code 70."""

    exit_code = 70
    named = False
    """Whether the message names the plugin yet."""
