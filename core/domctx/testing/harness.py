"""One record type on the core's own roads: states to streams of its records and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from domctx import options as option_values
from domctx.api import Images, Machine, RecordType, StateKey
from domctx.context import HandlerContext, Operation
from domctx.errors import DomctxError
from domctx.handlers import Handlers, guard, nest
from domctx.load import call_load
from domctx.manager import Manager, Plugin
from domctx.records import Ledger, StreamRun
from domctx.registry import BoundType, Registry
from domctx.save import Planned, write_type
from domctx.show import show_record
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.stream import StreamReader, StreamWriter
from domctx.testing.domains import StatesDomain
from domctx.wire import END_RECORD

MakeReader = Callable[[BytesSource, Mapping[int, str]], StreamReader]
MakeWriter = Callable[[BytesSink], StreamWriter]


def plain_reader(source: BytesSource, names: Mapping[int, str]) -> StreamReader:
    """The core's reader."""
    return StreamReader(source, names=names)


def bind(record_type: RecordType) -> BoundType:
    """A record type with the handlers that it declares, as a plugin of its own module."""
    module = getattr(record_type.save, "__module__", "")
    plugin = Plugin(f"contract:{record_type.name}", "contract", "0", module)
    saving = Handlers(record_type, record_type.save, (), nest(record_type, record_type.save, ()))
    loading = Handlers(record_type, record_type.load, (), nest(record_type, record_type.load, ()))
    return BoundType(record_type, plugin, saving, loading)


def registry_of(record_types: Iterable[RecordType]) -> Registry:
    """A registry of nothing but these record types."""
    registry = Registry(Manager())
    registry.types = {kind.code: bind(kind) for kind in sorted(record_types, key=lambda kind: kind.code)}
    return registry


class Harness:
    """One record type, the machine that its states belong to, the options, and the states beside its own."""

    def __init__(
        self,
        record_type: RecordType,
        machine: Machine,
        given: Sequence[str] = (),
        others: Mapping[StateKey[Any], Any] | None = None,
    ) -> None:
        self.type = record_type
        self.machine = machine
        self.given = tuple(given)
        self.others = dict(others or {})
        self.registry = registry_of([record_type])
        self.bound = self.registry.types[record_type.code]
        self.operation = Operation(given)
        self.images = Images.DOMCTX if Images.DOMCTX in record_type.images else Images.PLAIN

    def domain(self, state: Any) -> StatesDomain:
        """A domain that owns ``state``, with the others beside it."""
        key = self.type.state
        return StatesDomain(self.machine, {**self.others, key: state}, owned=(key,))

    def context(self, state: Any, *, dry_run: bool = False) -> HandlerContext:
        """The context of the type's handlers, for a domain or target that has ``state``."""
        values = option_values.parse(self.given, self.type.options)
        found = self.domain(state).state
        whole = HandlerContext(self.operation, self.machine, found, values=values, dry_run=dry_run)
        return whole.of(self.type)

    def save(self, state: Any, make: MakeWriter = StreamWriter, *, dry_run: bool = False) -> bytes:
        """The records of ``state``."""
        sink = BytesSink()
        write_type(make(sink), Planned(self.bound, state), self.context(state, dry_run=dry_run))
        return bytes(sink.octets)

    def load(self, octets: bytes, make: MakeReader = plain_reader, *, version: int | None = None) -> Any:
        """A new state, loaded from a stream of records of a version, the present one if None. Raises DomctxError."""
        return self.load_runs([octets], make, version=version)

    def load_runs(self, runs: Iterable[bytes], make: MakeReader = plain_reader, *, version: int | None = None) -> Any:
        """A new state, loaded from several runs of records, as they come where other types stand between."""
        state = guard(lambda: self.type.new_state(self.machine), self.bound.suspects)
        ledger = Ledger(self.type)
        for octets in filter(None, runs):
            self._walk(octets, ledger, make, self._loader(state), version=version)
        return state

    def load_cut(self, octets: bytes) -> None:
        """Load from a stream that ends with ``octets``, without an END. Raises DomctxError."""
        state = self.type.new_state(self.machine)
        call = self._loader(state)
        self._walk(octets, Ledger(self.type), plain_reader, call, end=b"")

    def _loader(self, state: Any) -> Callable[[StreamRun], None]:
        return lambda run: call_load(self.bound, None, state, run, self.context(state))

    def check(self, octets: bytes) -> None:
        """Let the type's own ``check`` decode a stream of records. Raises DomctxError."""
        check = self.type.check
        if check is not None and octets:
            context = self.context(None)

            def each(run: StreamRun) -> None:
                guard(lambda: check(run, context), self.bound.suspects)

            self._walk(octets, Ledger(self.type), plain_reader, each)

    def show(self, octets: bytes, state: Any) -> list[Any]:
        """Each record of a stream as the JSON value that ``domctx show`` prints."""
        shown: list[Any] = []

        def each(run: StreamRun) -> None:
            for record in run:
                shown.append(show_record(self.bound, record, self.context(state)))
                record.ignore_data()

        if octets:
            self._walk(octets, Ledger(self.type), plain_reader, each)
        return shown

    def _walk(
        self,
        octets: bytes,
        ledger: Ledger,
        make: MakeReader,
        each: Callable[[StreamRun], None],
        end: bytes = END_RECORD,
        version: int | None = None,
    ) -> None:
        """One run of records and ``end`` behind it, read by ``each``. Raises DomctxError with its place."""
        source = BytesSource(octets + end, name="<contract>")
        reader = make(source, {self.type.code: self.type.name})
        try:
            run = StreamRun(reader, self.type, ledger, version or self.type.version)
            each(run)
            guard(run.finish, self.bound.suspects)
        except DomctxError as error:
            raise error.at(offset=reader.record_offset, record=reader.name) from error.__cause__

    def close(self) -> None:
        """End the threads."""
        self.operation.close()
