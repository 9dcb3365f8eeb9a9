"""A record type to test with: named counters, one record each, in thirteen octets that need padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import attrs

from domctx.api import Context, Instances, Machine, RecordRun, RecordType, RecordWriter, StateKey
from domctx.schema import U8, U64, Reserved, layout
from domctx.wire import record_size


@layout(source="a test")
@attrs.frozen
class CounterBody:
    """One counter: thirteen octets."""

    value: Annotated[int, U64("how far it has counted", unit="events")]
    step: Annotated[int, U8("what it counts by, at least 1", unit="events")]
    reserved: Annotated[bytes, Reserved(4)] = attrs.field(default=bytes(4), init=False)


SIZE = 13


class Counters:
    """The state: counters by instance."""

    def __init__(self, counters: Mapping[int, CounterBody] | None = None) -> None:
        self.counters: dict[int, Any] = dict(counters or {})

    def __repr__(self) -> str:
        return f"Counters({self.counters})"


COUNTERS: StateKey[Counters] = StateKey("acme/counters")


def save(state: Counters, writer: RecordWriter, context: Context) -> None:
    """One record for each counter, ascending."""
    for instance, body in sorted(state.counters.items()):
        writer.write_object(body, instance=instance)


def load(state: Counters, run: RecordRun, context: Context) -> None:
    """Every record into the state."""
    for record in run:
        body = record.decode()
        if body.step == 0:
            raise record.error("the counter stands still", expected="a step of at least 1", got=0)
        state.counters[record.instance] = body


def exact_size(state: Counters, context: Context) -> int:
    """Thirteen octets a counter, and what goes around them."""
    return len(state.counters) * record_size(SIZE)


def new_state(machine: Machine) -> Counters:
    """No counters."""
    return Counters()


COUNTER = RecordType(
    code=0x7FFF_0001,
    name="acme/counter",
    summary="a counter: how far, and by what step",
    state=COUNTERS,
    save=save,
    load=load,
    new_state=new_state,
    instances=Instances.KEYED,
    body=CounterBody,
    max_body=SIZE,
    exact_size=exact_size,
)


def changed(**changes: Any) -> RecordType:
    """COUNTER with other parts."""
    return attrs.evolve(COUNTER, **changes)
