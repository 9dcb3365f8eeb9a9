"""Records as handlers see them: a writer bound to one type, a run of records, one record."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from domctx.api import Buffer, RecordType
from domctx.errors import DomctxError, PluginError, RecordError, StreamError
from domctx.ledger import Ledger as Ledger
from domctx.stream import StreamReader, StreamWriter
from domctx.wire import OPTIONAL, Header, record_name, record_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])


def _remembered(method: F) -> F:
    """A method of a writer whose first failure is kept."""

    @functools.wraps(method)
    def call(self: TypeWriter, *arguments: Any, **named: Any) -> Any:
        try:
            return method(self, *arguments, **named)
        except Exception as error:
            self._refused = self._refused or error
            raise

    return cast("F", call)


class TypeWriter:
    """A RecordWriter: the stream writer bound to one record type."""

    def __init__(self, stream: StreamWriter, record_type: RecordType, longest: int | None = None) -> None:
        """``longest``: octets of a body that goes into the stream; the type's ``max_body`` where nothing is said."""
        self.record_type = record_type
        self._stream = stream
        self._longest = record_type.max_body if longest is None else longest
        self._ledger = Ledger(record_type)
        self._open: tuple[int, int] | None = None
        self._refused: Exception | None = None
        """What was raised first: a handler that goes on nevertheless has not saved its state."""

    @property
    def offset(self) -> int:
        """The stream offset of the next octet of the body where the length was given; of the next header otherwise."""
        return self._stream.offset

    @_remembered
    def begin(self, instance: int = 0, length: int | None = None, *, optional: bool = False) -> None:
        """Begin a record. Raises PluginError for an instance or length that the type does not have."""
        problem = self._ledger.claim(instance)
        if problem:
            raise self._error(instance, problem)
        self._check_length(instance, length or 0)
        flag = OPTIONAL if optional or self.record_type.optional else 0
        self._open = (instance, 0)
        self._stream.begin(self.record_type.code | flag, instance, length)

    @_remembered
    def data(self, data: Buffer) -> None:
        """Append to the body. Raises PluginError past the type's largest body."""
        if self._open is not None:
            instance, done = self._open
            self._open = (instance, done + memoryview(data).nbytes)
            self._check_length(*self._open)
        self._stream.data(data)

    @_remembered
    def end(self) -> None:
        """End the record."""
        self._stream.end()
        self._open = None

    @_remembered
    def write(self, *parts: Buffer, instance: int = 0, optional: bool = False) -> None:
        """One whole record from ``parts``."""
        self.begin(instance, sum(memoryview(part).nbytes for part in parts), optional=optional)
        for part in parts:
            self._stream.data(part)
        self.end()

    def write_object(self, body: Any, *, instance: int = 0, optional: bool = False) -> None:
        """One whole record from an object of the type's body class."""
        from domctx.schema import encode

        self.write(encode(body), instance=instance, optional=optional)

    @_remembered
    def write_batch(self, instances: NDArray[np.uint32], bodies: NDArray[np.uint8]) -> None:
        """Many records of one size. Raises PluginError as ``begin``, and for arrays of another shape or type."""
        if bodies.ndim != 2 or bodies.dtype.name != "uint8" or instances.shape != bodies.shape[:1]:
            raise self._error(0, f"a batch of instances {instances.shape}, bodies {bodies.shape} {bodies.dtype}")
        if instances.dtype.kind not in "iu" or bool((instances.astype("<u4") != instances).any()):
            raise self._error(0, f"a batch of instances that are no u32, but {instances.dtype}")
        problem = self._ledger.claim_all(instances)
        if problem:
            raise self._error(int(instances[problem[0]]), problem[1])
        self._check_length(0, bodies.shape[1])
        flag = OPTIONAL if self.record_type.optional else 0
        self._stream.batch(self.record_type.code | flag, instances, bodies)

    def finish(self) -> None:
        """Raises PluginError where the handler left a record open, and again what it was refused and went on after."""
        if self._refused is not None:
            raise self._refused
        if self._open is not None:
            raise self._error(self._open[0], "the save handler did not end the record")

    def _check_length(self, instance: int, length: int) -> None:
        if length > self._longest:
            raise self._error(instance, f"the body of {length} octets is over the type's largest, {self._longest}")

    def _error(self, instance: int, message: str) -> PluginError:
        return PluginError(message, record=record_name(self.record_type.name, instance))


class StreamRecord:
    """A Record of a stream: every read is exact."""

    def __init__(self, reader: StreamReader, header: Header, record_type: RecordType, version: int) -> None:
        self.type = header.code
        self.optional = header.optional
        self.instance = header.instance
        self.length = header.length
        self.offset = reader.record_offset
        self.version = version
        self.ignored = False
        self._type = record_type
        self._reader = reader

    @property
    def remaining(self) -> int:
        """Octets of the body that are not read yet."""
        return self._reader.remaining

    def read(self, size: int) -> memoryview:
        """The next ``size`` octets of the body."""
        return self._reader.data(size)

    def rest(self) -> memoryview:
        """All that is left of the body."""
        return self._reader.data(self._reader.remaining)

    def decode(self) -> Any:
        """The whole body as an object of the type's body class."""
        return decode_body(self._type, self.rest(), self.version, self.offset, self.instance)

    def ignore_data(self) -> None:
        """Say that what is left of the body is skipped on purpose."""
        self.ignored = True

    def error(self, message: str, **details: Any) -> RecordError:
        """A RecordError that names this record and its offset."""
        return RecordError(message, offset=self.offset, record=record_name(self._type.name, self.instance), **details)


def decode_body(
    record_type: RecordType, body: memoryview, version: int, offset: int | None = None, instance: int | None = None
) -> Any:
    """A body as an object of the type's body class; older versions are converted up, of newer ones the known part.

    Raises RecordError, or PluginError where the type has no body class.
    """
    from domctx import schema

    if record_type.layout is None:
        raise PluginError(f"{record_type.name} declares no body class to decode with")
    try:
        return schema.decode_version(record_type.layout, body, version, record_type.version, record_type.upgrades)
    except DomctxError as error:
        raise error.at(offset=offset, record=record_name(record_type.name, instance)) from error.__cause__


class StreamRun:
    """A RecordRun: consecutive records of one type, as they come out of a stream."""

    def __init__(
        self,
        reader: StreamReader,
        record_type: RecordType,
        ledger: Ledger,
        version: int,
        done: Callable[[int], None] | None = None,
        longest: int | None = None,
    ) -> None:
        """``done`` is told how many octets each record took that was read to its end; ``longest`` as ``TypeWriter``."""
        self.record_type = record_type
        self._longest = record_type.max_body if longest is None else longest
        self._reader = reader
        self._ledger = ledger
        self._version = version
        self._done = done or (lambda octets: None)
        self._open: StreamRecord | None = None
        self._refused: DomctxError | None = None
        """What is wrong with a batch that was read: a handler that goes on nevertheless must not have its way."""

    def __iter__(self) -> Iterator[StreamRecord]:
        """Record after record; each is ended when the next is asked for."""
        while (header := self._next()) is not None:
            self._check(header)
            self._reader.begin()
            self._open = record = StreamRecord(self._reader, header, self.record_type, self._version)
            yield record
            self._reader.end(ignore_data=record.ignored)
            self._open = None
            self._done(record_size(header.length))

    def batches(self) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint8]]]:
        """Bodies of one size as (instances u32[n], bodies u8[n, length])."""
        while (header := self._next()) is not None:
            self._check_length(header)
            for instances, bodies in self._reader.batches(header):
                self._claim_all(header, instances)
                yield instances, bodies
                self._done(len(instances) * record_size(header.length))

    def finish(self) -> None:
        """Raises PluginError where the handler left the run before its end: within a record, or before one.

        Raises again what was refused of a batch.
        """
        if self._refused is not None:
            raise self._refused
        if self._open is not None:
            instance, offset = self._open.instance, self._open.offset
        elif (header := self._next()) is not None:
            instance, offset = header.instance, self._reader.offset
        else:
            return
        message = "the load handler does not leave the stream at the end of its run"
        raise PluginError(message, offset=offset, record=self._name(instance))

    def _next(self) -> Header | None:
        if self._open is not None:
            raise PluginError("the run is asked for a record within another", record=self._name(self._open.instance))
        header = self._reader.peek()
        return header if header is not None and header.code == self.record_type.code else None

    def _check(self, header: Header) -> None:
        self._check_length(header)
        problem = self._ledger.claim(header.instance)
        if problem:
            raise StreamError(problem, offset=self._reader.offset, record=self._name(header.instance))

    def _claim_all(self, header: Header, instances: NDArray[np.uint32]) -> None:
        """Claim a batch that was just read."""
        problem = self._ledger.claim_all(instances)
        if problem:
            place, message = problem
            offset = self._reader.offset - (len(instances) - place) * record_size(header.length)
            self._refused = StreamError(message, offset=offset, record=self._name(int(instances[place])))
            raise self._refused

    def _check_length(self, header: Header) -> None:
        if header.length > self._longest:
            raise StreamError(
                "the body is over the type's largest",
                offset=self._reader.offset,
                record=self._name(header.instance),
                expected=f"at most 0x{self._longest:016x}",
                got=f"0x{header.length:016x}",
            )

    def _name(self, instance: int) -> str:
        return record_name(self.record_type.name, instance)
