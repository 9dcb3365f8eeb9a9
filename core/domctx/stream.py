"""begin, data, end on both sides: the only code that pads, and the only code that reads octets from a stream.

``StreamWriter`` and ``StreamReader`` know headers, lengths and padding; which types there are, and whether an
instance may come again, is the registry's and the roads' business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NoReturn

from domctx.errors import PluginError, RecordError, StreamError
from domctx.groups import Unobserved
from domctx.wire import ALIGN, HEADER, Header, pack_header, padding, record_name, record_size, unpack_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from domctx.groups import Observer
    from domctx.protocols import Buffer, Sink, Source
    from domctx.spool import Spool

WINDOW: Final = 1 << 20
"""Octets that a reader looks ahead while it walks small records."""
SMALL: Final = 64 << 10
"""Octets up to which a record is small: of a larger one, what is read ahead ends with its body or the next header."""


def octets_of(data: Buffer) -> memoryview:
    """``data`` as a view of octets, whatever its shape."""
    view = memoryview(data)
    return view.cast("B") if view.nbytes else memoryview(b"")


class StreamWriter:
    """Writes records to a sink; nothing is patched, so files and pipes get the same octets."""

    def __init__(self, sink: Sink, observer: Observer | None = None) -> None:
        self._sink = sink
        self._observer: Observer = observer or Unobserved()
        self._header: Header | None = None
        self._known = False
        self._done = 0
        self._spool: Spool | None = None
        self.offset = 0
        """Octets that were written to the sink."""

    def begin(self, type: int, instance: int, length: int | None = None) -> None:
        """Begin a record; ``type`` carries bit 31 where it is optional."""
        if self._header is not None:
            raise PluginError("a record is begun before the last one has ended", record=self._name())
        self._header = Header(type, instance, length or 0)
        self._known = length is not None
        self._done = 0
        if length is None:
            from domctx.spool import Spool

            self._spool = Spool()
        else:
            self._put_header(self._header)

    def data(self, data: Buffer) -> None:
        """Append to the body."""
        view = octets_of(data)
        self._done += len(view)
        if self._header is None:
            raise PluginError("data is written outside a record")
        if self._spool is not None:
            self._spool.write(view)
        elif self._done > self._header.length:
            raise PluginError("a body grows past its length", record=self._name(), expected=self._header.length)
        else:
            self._put(view)

    def end(self) -> None:
        """End the record with zero padding."""
        if self._header is None:
            raise PluginError("a record is ended that was not begun")
        if self._known and self._done != self._header.length:
            raise PluginError(
                "a body is shorter than its length", record=self._name(), expected=self._header.length, got=self._done
            )
        if self._spool is not None:
            self._put_spool(self._header, self._spool)
        self._put(padding(self._done))
        self._header = self._spool = None

    def batch(self, type: int, instances: NDArray[np.uint32], bodies: NDArray[np.uint8]) -> None:
        """Many records of one type and size: ``instances`` u32[n], ``bodies`` u8[n, length]."""
        import numpy as np

        if self._header is not None:
            raise PluginError("a batch is written before the last record has ended", record=self._name())

        count, length = bodies.shape
        rows = np.zeros((count, record_size(length)), np.uint8)
        head = rows[:, : HEADER.size].view("<u4")
        head[:, 0], head[:, 1] = type, instances
        head[:, 2], head[:, 3] = length & 0xFFFF_FFFF, length >> 32
        rows[:, HEADER.size : HEADER.size + length] = bodies
        if count:
            self._observer.batch(type, int(instances[0]), count, self.offset, rows.shape[1], rows.data)
            self._sink.write(rows.data)
            self.offset += rows.nbytes

    def _put_header(self, header: Header) -> None:
        self._observer.record(header.type, header.instance, self.offset, record_size(header.length))
        self._put(pack_header(*header))

    def _put_spool(self, header: Header, spool: Spool) -> None:
        self._put_header(header._replace(length=self._done))
        for piece in spool.pieces():
            self._put(piece)

    def _put(self, data: Buffer) -> None:
        self._observer.octets(data)
        self._sink.write(data)
        self.offset += memoryview(data).nbytes

    def _name(self) -> str:
        return "a record" if self._header is None else record_name(self._header.code, self._header.instance)


class StreamReader:
    """Reads records from a source; every read is exact. ``names`` are the type codes' names, for messages."""

    def __init__(
        self,
        source: Source,
        observer: Observer | None = None,
        names: Mapping[int, str] | None = None,
        offset: int = 0,
    ) -> None:
        self._source = source
        self._names = names or {}
        self._observer: Observer = observer or Unobserved()
        self._window = memoryview(b"")
        self._header: Header | None = None
        self.offset = offset
        """Where the next octet stands; counted from the ``offset`` that was given."""
        self.record_offset = offset
        """Where the header of the current record stands."""
        self.remaining = 0
        """Octets of the current body that are not read yet."""

    def peek(self) -> Header | None:
        """The next record's header, not consumed; None at the end of the source.

        Raises StreamError where the source ends inside a header.
        """
        octets = self._look(HEADER.size)
        if not octets:
            return None
        if len(octets) < HEADER.size:
            raise StreamError(
                "the stream ends inside a record header",
                offset=self.offset,
                record=f"the record after {self.name}" if self._header else self.name,
                expected=f"{HEADER.size} octets",
                got=f"{len(octets)}",
            )
        return unpack_header(octets)

    def begin(self) -> Header | None:
        """Consume the next record's header; None at the end of the source."""
        header = self.peek()
        if header is not None:
            self._header = header
            self.record_offset = self.offset
            self.remaining = header.length
            self._observer.record(header.type, header.instance, self.offset, record_size(header.length))
            self._observer.octets(self._take(HEADER.size))
        return header

    def data(self, size: int) -> memoryview:
        """Exactly ``size`` octets of the body. Raises RecordError past its end, StreamError where the source ends."""
        if not 0 <= size <= self.remaining:
            raise RecordError(
                "the body is read past its end",
                offset=self.record_offset,
                record=self.name,
                expected=f"at most {self.remaining} octets",
                got=size,
            )
        octets = self._take(size)
        self._observer.octets(octets)
        self.remaining -= size
        return octets

    def skip(self) -> None:
        """Read the rest of the body and forget it."""
        while self.remaining:
            self.data(min(self.remaining, WINDOW))

    def end(self, *, ignore_data: bool = False) -> None:
        """End the record: refuse a body not read to its end (unless ignored) and padding that is not zero."""
        if ignore_data:
            self.skip()
        length = self._header.length if self._header is not None else 0
        if self.remaining:
            raise RecordError(
                "the body is longer than its contents",
                offset=self.record_offset,
                record=self.name,
                expected=f"{length - self.remaining} octets",
                got=length,
            )
        self._look(-length % ALIGN + HEADER.size)
        pad = self._take(-length % ALIGN)
        self._observer.octets(pad)
        if any(pad):
            raise StreamError(
                "the padding is not zero", offset=self.offset - len(pad), record=self.name, got=bytes(pad).hex(" ")
            )

    def batches(self, header: Header) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint8]]]:
        """The records that follow and have the type and length of ``header``, as (instances, bodies) arrays."""
        size = record_size(header.length)
        while self.peek_same(header):
            window = self._look(max(size, WINDOW))
            yield self._batch(header, window[: max(len(window) // size, 1) * size], size)

    def peek_same(self, header: Header) -> bool:
        """Whether the next record has the type and length of ``header``."""
        found = self.peek()
        return found is not None and (found.type, found.length) == (header.type, header.length)

    def peek_octet(self) -> bool:
        """Whether anything follows, be it a single octet."""
        return bool(self._look(1))

    def _batch(self, header: Header, window: memoryview, size: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        import numpy as np

        if len(window) < size:
            self._truncated(size, len(window))
        rows = np.frombuffer(window, np.uint8).reshape(-1, size)
        head = rows[:, : HEADER.size].view("<u4")
        wanted = np.array([header.type, header.length & 0xFFFF_FFFF, header.length >> 32], np.uint32)
        same = (head[:, [0, 2, 3]] == wanted).all(axis=1)
        rows = rows[: len(rows) if same.all() else int(same.argmin())]
        instances = rows[:, : HEADER.size].view("<u4")[:, 1]
        padded = rows[:, HEADER.size + header.length :].any(axis=1)
        self._header = header._replace(instance=int(instances[int(padded.argmax())]))
        self.record_offset = self.offset + int(padded.argmax()) * size
        if padded.any():
            raise StreamError("the padding is not zero", offset=self.record_offset, record=self.name)
        self._observer.batch(header.type, int(instances[0]), len(rows), self.offset, size, rows.data)
        self._window = self._window[rows.nbytes :]
        self.offset += rows.nbytes
        return instances, rows[:, HEADER.size : HEADER.size + header.length]

    def _look(self, size: int) -> memoryview:
        """The next octets without consuming them: ``size``, or fewer at the end of the source."""
        if len(self._window) < size:
            more = self._source.read(max(size, self._reach()) - len(self._window))
            joined = b"".join((self._window, more)) if self._window else more
            self._window = memoryview(joined).cast("B").toreadonly()
        return self._window[:size]

    def _reach(self) -> int:
        """How far to read ahead: into the records that follow only where they are likely to be small."""
        if self._header is None or self._header.length <= SMALL:
            return WINDOW
        return min(self.remaining, WINDOW)

    def _take(self, size: int) -> memoryview:
        """Consume exactly ``size`` octets; what is large is read straight."""
        if size > max(SMALL, len(self._window)):
            more = self._source.read(size - len(self._window))
            joined = b"".join((self._window, more)) if self._window else more
            octets = memoryview(joined).cast("B").toreadonly()
            self._window = memoryview(b"")
        else:
            octets = self._look(size)
            self._window = self._window[size:]
        if len(octets) < size:
            self._truncated(size, len(octets))
        self.offset += size
        return octets

    def _truncated(self, size: int, got: int) -> NoReturn:
        raise StreamError(
            "the stream ends inside a record",
            offset=self.offset,
            record=self.name,
            expected=f"{size} octets more",
            got=got,
        )

    @property
    def name(self) -> str:
        """The current record, as messages name it."""
        if self._header is None:
            return "the first record"
        return record_name(self._names.get(self._header.code, self._header.code), self._header.instance)
