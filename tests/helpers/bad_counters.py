"""Handlers for the counters: some that take the array road, and one for each way to be bad."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

import attrs
import numpy as np

from domctx.api import Context, Difference, Record, RecordRun, RecordWriter
from domctx.errors import DomctxError
from domctx.schema import decode, encode
from helpers.counters import SIZE, CounterBody, Counters, exact_size, load, save


def rows(run: RecordRun) -> Iterable[tuple[int, bytes]]:
    """Instances and bodies by the array road."""
    for instances, bodies in run.batches():
        yield from zip(instances.tolist(), map(bytes, bodies), strict=True)


def load_batches(state: Counters, run: RecordRun, context: Context) -> None:
    """As ``load``, by the array road."""
    for instance, octets in rows(run):
        body = decode(CounterBody, octets)
        if body.step == 0:
            raise DomctxError("the counter stands still")
        state.counters[instance] = body


def save_batches(state: Counters, writer: RecordWriter, context: Context) -> None:
    """As ``save``, by the array road."""
    found = sorted(state.counters.items())
    octets = np.frombuffer(b"".join(encode(body) for _, body in found), np.uint8).reshape(-1, SIZE)
    writer.write_batch(np.array([instance for instance, _ in found], np.uint32), octets)


def check_batches(run: RecordRun, context: Context) -> None:
    """Decodes every record."""
    load_batches(Counters(), run, context)


def forgets_steps(state: Counters, run: RecordRun, context: Context) -> None:
    """Loads something else than was saved."""
    for record in run:
        state.counters[record.instance] = attrs.evolve(record.decode(), step=1)


def reads_past_its_body(state: Counters, run: RecordRun, context: Context) -> None:
    """Reads sixteen octets of thirteen."""
    for record in run:
        state.counters[record.instance] = decode(CounterBody, record.read(16))


def takes_out(state: Counters, writer: RecordWriter, context: Context) -> None:
    """Empties the state while it saves it."""
    while state.counters:
        writer.write_object(state.counters.pop(min(state.counters)), instance=len(state.counters))


def counts_up_when_asked(state: Counters, context: Context) -> int:
    """Changes the state in a dry run."""
    state.counters = {instance: attrs.evolve(body, value=0) for instance, body in state.counters.items()}
    size: int = exact_size(state, context)
    return size


def save_by_chance(state: Counters, writer: RecordWriter, context: Context) -> None:
    """Writes another value each time."""
    for instance in sorted(state.counters):
        writer.write_object(CounterBody(secrets.randbits(64), 1), instance=instance)


def save_by_looking_inside(state: Counters, writer: Any, context: Context) -> None:
    """Writes other octets where another stream stands behind the writer."""
    for instance in sorted(state.counters):
        writer.write_object(CounterBody(len(type(writer._stream).__name__), 1), instance=instance)


def save_with_key_error(state: Counters, writer: RecordWriter, context: Context) -> None:
    """Asks for a counter that is not there."""
    writer.write_object(state.counters[999])


def save_open(state: Counters, writer: RecordWriter, context: Context) -> None:
    """Does not end its record."""
    writer.begin(0, SIZE)
    writer.data(bytes(SIZE))


def save_nothing_when_dry(state: Counters, writer: RecordWriter, context: Context) -> None:
    """Writes nothing in a dry run."""
    if not context.dry_run:
        save(state, writer, context)


def refuse(*arguments: Any) -> Any:
    """Refuses everything."""
    raise DomctxError("not today")


def refuse_to_run_dry(state: Counters, writer: RecordWriter, context: Context) -> None:
    """Refuses a dry run."""
    if context.dry_run:
        refuse()
    save(state, writer, context)


def leaves_octets(state: Counters, run: RecordRun, context: Context) -> None:
    """Skips what it does not know."""
    for record in run:
        state.counters[record.instance] = decode(CounterBody, record.read(SIZE))
        record.ignore_data()


def stops_early(state: Counters, run: RecordRun, context: Context) -> None:
    """Does not read its run to the end."""
    record = next(iter(run))
    state.counters[record.instance] = record.decode()


def fills_up(state: Counters, run: RecordRun, context: Context) -> None:
    """Accepts bodies that were cut."""
    for record in run:
        state.counters[record.instance] = decode(CounterBody, bytes(record.rest()).ljust(SIZE, b"\0")[:SIZE])


def load_variable(state: Counters, run: RecordRun, context: Context) -> None:
    """Takes whatever comes, as octets."""
    for record in run:
        state.counters[record.instance] = bytes(record.rest())


def save_variable(state: Counters, writer: RecordWriter, context: Context) -> None:
    """Writes octets as they are."""
    for instance, body in sorted(state.counters.items()):
        writer.write(body if isinstance(body, bytes) else encode(body), instance=instance)


def swallows(state: Counters, run: RecordRun, context: Context) -> None:
    """Takes every refusal for the end of its run."""
    try:
        load(state, run, context)
    except DomctxError:
        return


def load_poison(state: Counters, run: RecordRun, context: Context) -> None:
    """Loads one more counter, which ``save_unless_poisoned`` refuses."""
    load(state, run, context)
    state.counters[999] = "poison"


def save_unless_poisoned(state: Counters, writer: RecordWriter, context: Context) -> None:
    """Refuses what was loaded by ``load_poison``."""
    if 999 in state.counters:
        raise DomctxError("counter 999 is poisoned")
    save(state, writer, context)


def normalises(state: Counters, run: RecordRun, context: Context) -> None:
    """Takes a step of 0 for one of 1."""
    for record in run:
        body = record.decode()
        state.counters[record.instance] = attrs.evolve(body, step=max(1, body.step))


def ignores_reserved(state: Counters, run: RecordRun, context: Context) -> None:
    """Looks at the first nine octets only."""
    for record in run:
        octets = bytes(record.rest())
        if len(octets) != SIZE:
            raise record.error("wrong length")
        state.counters[record.instance] = decode(CounterBody, octets[:9] + bytes(4))


def raises_key_error(state: Counters, run: RecordRun, context: Context) -> None:
    """Finds some steps in a table, and not others."""
    steps = dict.fromkeys(range(1, 256), True)
    for record in run:
        body = record.decode()
        assert steps[body.step]
        state.counters[record.instance] = body


def takes_what_cannot_be_saved(state: Counters, run: RecordRun, context: Context) -> None:
    """Loads a step of 0, which ``save_checked`` refuses."""
    for record in run:
        state.counters[record.instance] = record.decode()


def save_checked(state: Counters, writer: RecordWriter, context: Context) -> None:
    """Refuses a counter that stands still."""
    if any(body.step == 0 for body in state.counters.values()):
        raise DomctxError("a counter stands still")
    save(state, writer, context)


def check_nothing(run: RecordRun, context: Context) -> None:
    """Looks at nothing."""
    for record in run:
        record.ignore_data()


def check_badly(run: RecordRun, context: Context) -> None:
    """Fails where a step is 0."""
    for record in run:
        assert 1 // record.decode().step >= 0


def keeps_views(state: Counters, run: RecordRun, context: Context) -> None:
    """Decodes when all were read, from views of what was read before."""
    views = [(record.instance, record.rest()) for record in run]
    state.counters.update({instance: decode(CounterBody, view) for instance, view in views})


def keeps_array_views(state: Counters, run: RecordRun, context: Context) -> None:
    """The same on the array road."""
    batches = list(run.batches())
    for instances, bodies in batches:
        rows = zip(instances.tolist(), map(bytes, bodies), strict=True)
        state.counters.update({instance: decode(CounterBody, row) for instance, row in rows})


def starts_anew(state: Counters, run: RecordRun, context: Context) -> None:
    """Forgets at each run what came in the last."""
    state.counters.clear()
    load(state, run, context)


def show_octets(record: Record, context: Context) -> Any:
    """Gives bytes, which JSON does not have."""
    return {"octets": bytes(record.rest())}


def differ_always(a: Counters, b: Counters, context: Context) -> Iterable[Difference]:
    """Tells what is no difference."""
    return [Difference("acme/counter[0]", "value", 1, 1)]


def differ_in_bytes(a: Counters, b: Counters, context: Context) -> Iterable[Difference]:
    """Gives bytes."""
    return [Difference("acme/counter[0]", "value", b"", None)] if a.counters != b.counters else []


def differ_by_and_by(a: Counters, b: Counters, context: Context) -> Iterable[Difference]:
    """Fails after the first difference."""
    yield Difference("acme/counter[0]", "value", 1, 1 // 0)


def differ_elsewhere(a: Counters, b: Counters, context: Context) -> Iterable[Difference]:
    """Names another type."""
    return [Difference("CPU[0]", "value", 1, 2)] if a.counters != b.counters else []


class Shifted:
    """A view that gives other values than the records hold."""

    def __init__(self, records: Any) -> None:
        bodies = {record.instance: record.decode() for record in records}
        self.counters = {instance: attrs.evolve(body, value=body.value ^ 1) for instance, body in bodies.items()}
