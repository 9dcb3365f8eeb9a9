"""Record types driven as the core drives them: states to records and back, and what damage does to a body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from domctx import options
from domctx.api import Machine, RecordType
from domctx.context import HandlerContext, Operation
from domctx.errors import DomctxError
from domctx.records import Ledger, StreamRun, TypeWriter
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.stream import StreamReader, StreamWriter

MACHINE = Machine("test", "i386")


@attrs.frozen
class Road:
    """One record type, and the context in which its handlers run."""

    type: RecordType
    given: tuple[str, ...] = ()
    operation: Operation = attrs.field(factory=Operation)

    @property
    def context(self) -> HandlerContext:
        """A context with the options of ``given``."""
        values = options.parse(self.given, self.type.options)
        return HandlerContext(self.operation, MACHINE, lambda key: None, values=values).of(self.type)

    def save(self, state: Any) -> bytes:
        """The records of a state, one behind the other."""
        sink = BytesSink()
        writer = TypeWriter(StreamWriter(sink), self.type)
        self.type.save(state, writer, self.context)
        writer.finish()
        return bytes(sink.octets)

    def bodies(self, state: Any) -> list[tuple[int, bytes]]:
        """(instance, body) of each record of a state."""
        return [(record.instance, bytes(record.rest())) for record in self.run(self.save(state))]

    def body(self, state: Any) -> bytes:
        """The body of a state's only record."""
        ((_, body),) = self.bodies(state)
        return body

    def run(self, octets: bytes) -> StreamRun:
        """The run of records that stand in ``octets``."""
        reader = StreamReader(BytesSource(octets))
        return StreamRun(reader, self.type, Ledger(self.type), self.type.version, lambda size: None)

    def stream(self, *bodies: tuple[int, bytes]) -> bytes:
        """Records of (instance, body) pairs."""
        sink = BytesSink()
        writer = StreamWriter(sink)
        for instance, body in bodies:
            writer.begin(self.type.code, instance, len(body))
            writer.data(body)
            writer.end()
        return bytes(sink.octets)

    def load(self, octets: bytes, state: Any = None) -> Any:
        """``state`` (a new one where None) after the records in ``octets`` were loaded into it."""
        state = state if state is not None else self.type.new_state(MACHINE)
        run = self.run(octets)
        self.type.load(state, run, self.context)
        run.finish()
        return state

    def load_body(self, body: bytes, state: Any = None, instance: int = 0) -> Any:
        """The same for one record."""
        return self.load(self.stream((instance, body)), state)

    def size(self, state: Any) -> int:
        """The size that the type declares for the records of a state."""
        assert self.type.exact_size is not None
        return self.type.exact_size(state, self.context)

    def show(self, body: bytes, instance: int = 0) -> Any:
        """What the type shows of a record."""
        assert self.type.show is not None
        (record,) = self._records(body, instance)
        return self.type.show(record, self.context)

    def _records(self, body: bytes, instance: int) -> Iterator[Any]:
        yield next(iter(self.run(self.stream((instance, body)))))

    def diff(self, a: Any, b: Any) -> list[tuple[str, str, Any, Any]]:
        """(record, path, a, b) of each difference that counts."""
        return [(found.record, found.path, found.a, found.b) for found in self.differences(a, b) if found.counted]

    def differences(self, a: Any, b: Any) -> list[Any]:
        """All differences."""
        assert self.type.diff is not None
        return list(self.type.diff(a, b, self.context))


def damaged(body: bytes, bit: int) -> bytes:
    """``body`` with one bit flipped."""
    changed = bytearray(body)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def silent_flips(road: Road, body: bytes, bits: Sequence[int], instance: int = 0) -> list[int]:
    """Those bits whose flip is neither refused nor comes back just so when the loaded state is saved again."""
    return [bit for bit in bits if _is_silent(road, damaged(body, bit), instance)]


def _is_silent(road: Road, body: bytes, instance: int) -> bool:
    try:
        state = road.load_body(body, instance=instance)
    except DomctxError:
        return False
    return road.bodies(state) != [(instance, body)]


def accepted_cuts(road: Road, body: bytes, instance: int = 0) -> list[int]:
    """The lengths, shorter than the body's, at which a cut body is loaded."""
    return [size for size in range(len(body)) if not _is_refused(road, body[:size], instance)]


def _is_refused(road: Road, body: bytes, instance: int) -> bool:
    try:
        road.load_body(body, instance=instance)
    except DomctxError:
        return True
    return False
