"""What the core lends to handlers and formats while one operation runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from domctx import options
from domctx.api import Domain, Machine, Option, RecordType, StateKey
from domctx.pool import Pool
from domctx.requires import Requires

T = TypeVar("T")
R = TypeVar("R")


class Operation:
    """One run of a road: where notes and progress go, the options that were given, and the thread pool."""

    def __init__(
        self,
        given: Sequence[str] = (),
        *,
        note: Callable[[str], None] | None = None,
        progress: Callable[[int], None] | None = None,
        force: bool = False,
        allow_newer: bool = False,
    ) -> None:
        self.given = tuple(given)
        self.force = force
        self.allow_newer = allow_newer
        self.pool = Pool()
        self.notes: list[str] = []
        self._note = note
        self._progress = progress

    def note(self, message: str) -> None:
        """Tell the user something, once."""
        if message not in self.notes:
            self.notes.append(message)
            if self._note is not None:
                self._note(message)

    def progress(self, octets: int) -> None:
        """Count octets as done."""
        if self._progress is not None:
            self._progress(octets)

    def report_to(self, progress: Callable[[int], None]) -> None:
        """Count progress there from now on."""
        self._progress = progress

    def close(self) -> None:
        """End the threads."""
        self.pool.close()

    def __enter__(self) -> Operation:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


@contextlib.contextmanager
def running(operation: Operation | None) -> Iterator[Operation]:
    """The operation that a caller has, which closes it itself, or one for the time of the block."""
    if operation is not None:
        yield operation
    else:
        with Operation() as own:
            yield own


@contextlib.contextmanager
def paused(domain: Domain) -> Iterator[None]:
    """The domain stands while the block runs, and is given back in the run state in which it was found."""
    domain.pause()
    try:
        yield
    finally:
        domain.unpause()


class HandlerContext(Requires):
    """The Context of a record type's handlers."""

    def __init__(
        self,
        operation: Operation,
        machine: Machine,
        state: Callable[[StateKey[Any]], Any | None],
        *,
        values: Mapping[str, Any] | None = None,
        record_type: RecordType | None = None,
        dry_run: bool = False,
    ) -> None:
        self.dry_run = dry_run
        self.machine = machine
        self._operation = operation
        self._state = state
        self._values = values or {}
        self._type = record_type

    def of(self, record_type: RecordType) -> HandlerContext:
        """The context for the handlers of one type: its options are what ``option`` knows."""
        return HandlerContext(
            self._operation,
            self.machine,
            self._state,
            values=self._values,
            record_type=record_type,
            dry_run=self.dry_run,
        )

    def option(self, name: str) -> Any:
        """The value of an option that the record type declares."""
        return options.value_of(name, self._values, self._type.options if self._type else ())

    def state(self, key: StateKey[T]) -> T | None:
        """Another state of the same domain or target."""
        return self._state(key)

    def map_ordered(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """``map`` over the operation's threads."""
        return self._operation.pool.map_ordered(function, items)

    def note(self, message: str) -> None:
        """Tell the user something, once."""
        self._operation.note(message)

    def progress(self, octets: int) -> None:
        """Count octets of guest state as done."""
        self._operation.progress(octets)


class OpenContext:
    """The FormatContext of one format."""

    def __init__(self, operation: Operation, declared: Sequence[Option], values: Mapping[str, Any]) -> None:
        self.force = operation.force
        self._operation = operation
        self._declared = declared
        self._values = values

    def option(self, name: str) -> Any:
        """The value of an option that the format declares."""
        return options.value_of(name, self._values, self._declared)

    def note(self, message: str) -> None:
        """Tell the user something, once."""
        self._operation.note(message)

    def progress(self, octets: int) -> None:
        """Count octets as done."""
        self._operation.progress(octets)
