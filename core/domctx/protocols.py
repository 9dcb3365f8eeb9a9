"""What core and plugins hold of each other: sinks and sources, records as handlers see them, contexts, domains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from domctx.api import RecordType, StateKey
    from domctx.machine import Machine

T = TypeVar("T")
R = TypeVar("R")

Buffer = bytes | bytearray | memoryview
"""What ``data`` takes. A numpy array is passed as ``array.data`` (C-contiguous, any shape)."""


class Sink(Protocol):
    """Where octets go; nothing ever seeks to write."""

    def write(self, data: Buffer) -> None:
        """Take all of ``data``. Raises DomainError where the disk refuses."""

    def close(self) -> None:
        """Flush and close; every error is reported."""


class Source(Protocol):
    """Where octets come from."""

    name: str
    """A path or reference for messages."""

    def read(self, size: int) -> Buffer:
        """Exactly ``size`` octets, or fewer only at the end of the source. The view is valid until the next read."""

    def close(self) -> None:
        """Release the source."""


class Record(Protocol):
    """One record as a load handler sees it; every read is exact."""

    type: int
    """The type code without bit 31."""
    optional: bool
    """Whether bit 31 was set."""
    instance: int
    length: int
    offset: int
    """Where the header stands in the stream, in octets."""
    version: int
    """The version of the body, as MANIFEST tells it; 1 without a MANIFEST."""

    @property
    def remaining(self) -> int:
        """Octets of the body that are not read yet."""

    def read(self, size: int) -> memoryview:
        """The next ``size`` octets of the body. Raises RecordError past its end; valid until the next read."""

    def rest(self) -> memoryview:
        """All that is left of the body; at most the type's ``max_body``."""

    def decode(self) -> Any:
        """The whole body as an object of the type's ``body`` class, older versions converted up."""

    def ignore_data(self) -> None:
        """Say that what is left of the body is skipped on purpose."""

    def error(self, message: str, **details: Any) -> Exception:
        """A RecordError that names this record and its offset; for ``raise record.error(...)``."""


class RecordRun(Protocol):
    """Consecutive records of one type: what a load handler is called with, once for each run."""

    record_type: RecordType

    def __iter__(self) -> Iterator[Record]:
        """The plain road: record after record; each must be read to its end before the next is asked for."""

    def batches(self) -> Iterator[tuple[Any, Any]]:
        """The array road for bodies of one size: (instances u32[n], bodies u8[n, length]) as numpy arrays.

        Consecutive records of equal length come together; the arrays are valid until the next step.
        """


class RecordWriter(Protocol):
    """What a save handler writes its records with: begin, data, end, or one of the short forms."""

    record_type: RecordType

    @property
    def offset(self) -> int:
        """The stream offset, in octets, of the next octet of the body that ``data`` writes.

        Known only where ``begin`` was given the length; the offset of the next header otherwise.
        """

    def begin(self, instance: int = 0, length: int | None = None, *, optional: bool = False) -> None:
        """Begin a record. Without ``length`` the body is buffered, and spooled past 16 MiB."""

    def data(self, data: Buffer) -> None:
        """Append to the body; how the calls are cut never shows in the stream."""

    def end(self) -> None:
        """End the record: zero padding is added; a length that was promised is enforced."""

    def write(self, *parts: Buffer, instance: int = 0, optional: bool = False) -> None:
        """One whole record from ``parts``."""

    def write_object(self, body: Any, *, instance: int = 0, optional: bool = False) -> None:
        """One whole record from an object of the type's ``body`` class."""

    def write_batch(self, instances: Any, bodies: Any) -> None:
        """Many records of one size: ``instances`` u32[n], ``bodies`` u8[n, length], numpy arrays."""


class IndexedRecord(Protocol):
    """One record of an opened image, read at random; ``file`` is the image's name, for errors."""

    file: str
    instance: int
    length: int
    offset: int
    version: int

    def read(self, start: int = 0, size: int | None = None) -> memoryview:
        """Octets ``start`` .. ``start + size`` of the body. Raises RecordError outside of it."""

    def decode(self) -> Any:
        """The whole body as an object of the type's ``body`` class, older versions converted up."""

    def error(self, message: str, **details: Any) -> Exception:
        """A RecordError that names this record and its offset."""


class Context(Protocol):
    """What the core lends to a handler."""

    dry_run: bool
    """Only sizes are wanted: write the right number of octets, whatever they are."""
    machine: Machine
    """The description of the domain that is saved or was saved."""

    def option(self, name: str) -> Any:
        """The value of an option that the record type or format declares; its default where none was given."""

    def state(self, key: StateKey[T]) -> T | None:
        """Another state of the domain that is saved from, or of the target that is loaded into."""

    def require(self, key: StateKey[T]) -> T:
        """As ``state``; raises DomainError where the domain has none."""

    def map_ordered(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """``map`` over the only thread pool, results in order, a bounded number of items under way."""

    def note(self, message: str) -> None:
        """Tell the user something, once."""

    def progress(self, octets: int) -> None:
        """Count ``octets`` of guest state as done."""


class Domain(Protocol):
    """Anything that holds a machine's state and can be saved from."""

    scheme: str
    location: str
    """The path or socket behind the domain; "" where there is none."""

    @property
    def machine(self) -> Machine:
        """The description of the domain, as it is now."""

    @property
    def one_pass(self) -> bool:
        """Whether pages can be had only once, in the source's own order (a pipe)."""

    def state(self, key: StateKey[T]) -> T | None:
        """The provider of a state, or None."""

    def require(self, key: StateKey[T]) -> T:
        """As ``state``. Raises DomainError where there is none (``domctx.requires.Requires``)."""

    def owned_states(self) -> Sequence[StateKey[Any]]:
        """The states that the domain owns; states computed from others are not listed and never saved."""

    def pause(self) -> None:
        """Stop the domain; remembers whether it ran."""

    def unpause(self) -> None:
        """Give the domain back in the run state in which ``pause`` found it."""

    def close(self) -> None:
        """Release what the domain holds; a paused domain is given back."""


class Keeper(Protocol):
    """What a Domain may be besides, if it waits for its state to be safe: ``unpause`` may then leave it paused.

    One that is closed and was never told so gives the machine back as it was found.
    """

    def saved(self) -> None:
        """What was saved of the domain is whole and safe: a file under its name and synced, a target committed."""


class Target(Protocol):
    """What is loaded into; it ends in exactly one of ``commit`` or ``abort``."""

    scheme: str
    location: str

    def prepare(self, machine: Machine) -> None:
        """Called once, with MANIFEST's description, before any state is asked for."""

    def state(self, key: StateKey[T]) -> T | None:
        """The state to load into, or None where the target has no such state."""

    def commit(self) -> None:
        """END and digests are good: do what needs everything, and publish. Where it raises, ``abort`` follows."""

    def abort(self) -> None:
        """Leave nothing behind."""


class FormatContext(Protocol):
    """What the core lends to a format while it opens, creates or writes."""

    force: bool

    def option(self, name: str) -> Any:
        """The value of an option that the format declares; its default where none was given."""

    def note(self, message: str) -> None:
        """Tell the user something, once."""

    def progress(self, octets: int) -> None:
        """Count ``octets`` as done."""


SaveHandler = Callable[[Any, RecordWriter, Context], None]
LoadHandler = Callable[[Any, RecordRun, Context], None]
