"""What a wrapper of handlers puts between a handler and the stream: a writer and a run that pass everything on.

Subclass, and override what is of interest: ``ForwardingWriter.data`` and ``begin`` see everything that is saved,
``ForwardingRun.body`` everything that is loaded. A subclass that changes octets belongs into a ``Transformed``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from domctx.api import Buffer, Record, RecordRun, RecordType, RecordWriter
from domctx.errors import RecordError
from domctx.records import decode_body
from domctx.wire import record_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ForwardingWriter:
    """A RecordWriter that passes on what it is given to ``inner``; whole records and batches go through the same
    ``begin``, ``data`` and ``end``."""

    def __init__(self, inner: RecordWriter) -> None:
        self.inner = inner
        self.record_type: RecordType = inner.record_type

    @property
    def offset(self) -> int:
        """The stream offset of what is written next."""
        return self.inner.offset

    def begin(self, instance: int = 0, length: int | None = None, *, optional: bool = False) -> None:
        """Begin a record."""
        self.inner.begin(instance, length, optional=optional)

    def data(self, data: Buffer) -> None:
        """Append to the body."""
        self.inner.data(data)

    def end(self) -> None:
        """End the record."""
        self.inner.end()

    def write(self, *parts: Buffer, instance: int = 0, optional: bool = False) -> None:
        """One whole record from ``parts``."""
        self.begin(instance, sum(memoryview(part).nbytes for part in parts), optional=optional)
        for part in parts:
            self.data(part)
        self.end()

    def write_object(self, body: Any, *, instance: int = 0, optional: bool = False) -> None:
        """One whole record from an object of the type's body class."""
        from domctx.schema import encode

        self.write(encode(body), instance=instance, optional=optional)

    def write_batch(self, instances: NDArray[np.uint32], bodies: NDArray[np.uint8]) -> None:
        """Many records of one size, one by one."""
        for instance, body in zip(instances.tolist(), bodies, strict=True):
            self.write(body.tobytes(), instance=instance)


class ForwardingRun:
    """A RecordRun over ``inner`` whose records have the bodies that ``body`` gives; batches are made of them."""

    def __init__(self, inner: RecordRun) -> None:
        self.inner = inner
        self.record_type: RecordType = inner.record_type

    def body(self, record: Record) -> bytes:
        """The body that the handler sees; by default the record's own."""
        return bytes(record.rest())

    def __iter__(self) -> Iterator[ReplacedRecord]:
        """Record after record; each must be read to its end, as of any run."""
        for record in self.inner:
            replaced = ReplacedRecord(record, self.record_type, self.body(record))
            yield replaced
            replaced.finish()

    def batches(self) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint8]]]:
        """Record after record as arrays of one row."""
        import numpy as np

        for record in self:
            row = np.frombuffer(record.rest(), np.uint8).reshape(1, -1)
            yield np.array([record.instance], np.uint32), row


class ReplacedRecord:
    """A Record that has another body than the one that stands in the stream."""

    def __init__(self, inner: Record, record_type: RecordType, body: bytes) -> None:
        self.type = inner.type
        self.optional = inner.optional
        self.instance = inner.instance
        self.offset = inner.offset
        self.version = inner.version
        self.length = len(body)
        self._type = record_type
        self._body = memoryview(body)
        self._done = 0
        self._ignored = False

    @property
    def remaining(self) -> int:
        """Octets of the body that are not read yet."""
        return self.length - self._done

    def read(self, size: int) -> memoryview:
        """The next ``size`` octets of the body. Raises RecordError past its end."""
        if not 0 <= size <= self.remaining:
            limit = f"at most {self.remaining} octets"
            raise self.error("the body is read past its end", expected=limit, got=size)
        self._done += size
        return self._body[self._done - size : self._done]

    def rest(self) -> memoryview:
        """All that is left of the body."""
        return self.read(self.remaining)

    def decode(self) -> Any:
        """The whole body as an object of the type's body class."""
        return decode_body(self._type, self.rest(), self.version)

    def ignore_data(self) -> None:
        """Say that what is left of the body is skipped on purpose."""
        self._ignored = True

    def error(self, message: str, **details: Any) -> RecordError:
        """A RecordError that names this record and its offset."""
        return RecordError(message, offset=self.offset, record=record_name(self._type.name, self.instance), **details)

    def finish(self) -> None:
        """Raises RecordError for a body that was not read to its end, unless that was said."""
        if self.remaining and not self._ignored:
            raise self.error("the body is longer than its contents", expected=f"{self._done} octets", got=self.length)
