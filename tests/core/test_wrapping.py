"""Writers and runs that stand between a handler and the stream."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest

from domctx.api import Buffer, Context, Machine, Record, RecordRun, RecordWriter
from domctx.errors import RecordError
from domctx.testing import RecordTypeContract
from domctx.testing.harness import Harness
from domctx.wrapping import ForwardingRun, ForwardingWriter
from helpers import bad_counters, counters
from helpers.counters import COUNTER, CounterBody, Counters, changed

STATE = Counters({instance: CounterBody(instance, 1) for instance in range(5)})


class Inverter(ForwardingWriter):
    """Turns every bit round."""

    def data(self, data: Buffer) -> None:
        super().data(inverted(data))


class Reverter(ForwardingRun):
    """Turns every bit back."""

    def body(self, record: Record) -> bytes:
        return inverted(record.rest())


def inverted(octets: Buffer) -> bytes:
    """Every bit the other way round."""
    return bytes(octet ^ 0xFF for octet in bytes(octets))


def wrapped(kind: Any, writer: Any, run: Any) -> Any:
    """A record type whose handlers stand behind a writer and a run."""
    return attrs.evolve(
        kind,
        save=lambda state, inner, context: kind.save(state, writer(inner), context),
        load=lambda state, inner, context: kind.load(state, run(inner), context),
        show=lambda record, context: bytes(record.rest()).hex(),
        diff=lambda a, b, context: [],
    )


ARRAYS = changed(save=bad_counters.save_batches, load=bad_counters.load_batches)


class TestTransformed(RecordTypeContract):
    """A type whose octets are changed by a wrapper keeps the contract."""

    record_type = wrapped(COUNTER, Inverter, Reverter)

    def states(self) -> Any:
        """Counters."""
        from hypothesis import strategies as st

        return st.builds(lambda values: Counters({i: CounterBody(v, 1) for i, v in enumerate(values)}), _values(st))

    def test_diff_of_two_states(self) -> None:
        """Nothing is compared here."""


def _values(st: Any) -> Any:
    return st.lists(st.integers(0, (1 << 64) - 1), max_size=3)


@pytest.mark.parametrize("kind", [COUNTER, ARRAYS], ids=["records", "arrays"])
def test_forwarding_changes_nothing(kind: Any) -> None:
    """Through a writer and a run that only pass on, the same octets are saved and the same state is loaded."""
    plain, through = (Harness(each, Machine("", "")) for each in (kind, wrapped(kind, ForwardingWriter, ForwardingRun)))
    octets = plain.save(STATE)
    assert through.save(STATE) == octets
    assert through.load(octets).counters == plain.load(octets).counters


@pytest.mark.parametrize("kind", [COUNTER, ARRAYS], ids=["records", "arrays"])
def test_a_transform_works_both_ways(kind: Any) -> None:
    """What is changed on the way out is changed back on the way in."""
    harness = Harness(wrapped(kind, Inverter, Reverter), Machine("", ""))
    octets = harness.save(STATE)
    assert inverted(b"\0" * 7 + b"\1") in octets
    assert harness.load(octets).counters == STATE.counters


def save_in_parts(state: Counters, writer: RecordWriter, context: Context) -> None:
    """Begin, data, end, with a look at the offset."""
    offset = writer.offset
    writer.begin(0, 13)
    assert writer.offset == offset + 16
    writer.data(bytes(8))
    writer.data(np.array([1, 0, 0, 0, 0], np.uint8).data)
    writer.end()


def load_in_parts(state: Counters, run: RecordRun, context: Context) -> None:
    """Looks at everything that a record tells."""
    for record in run:
        assert (record.type, record.instance, record.length, record.version) == (COUNTER.code, 0, 13, 1)
        assert (record.offset, record.optional, record.remaining) == (0, False, 13)
        assert (bytes(record.read(8)), record.remaining) == (bytes(8), 5)
        record.ignore_data()
        state.counters[0] = CounterBody(0, 1)


def test_records_in_parts() -> None:
    """Begin, data and end pass on; a record tells what it is, is read in parts, and may be left on purpose."""
    kind = wrapped(changed(save=save_in_parts, load=load_in_parts), ForwardingWriter, ForwardingRun)
    harness = Harness(kind, Machine("", ""))
    assert harness.load(harness.save(STATE)).counters == {0: CounterBody(0, 1)}


def test_a_replaced_body_is_read_exactly() -> None:
    """Reading past the end of a replaced body, or leaving octets of it, is refused with record and offset."""
    octets = Harness(COUNTER, Machine("", "")).save(STATE)
    for load, message in (
        (bad_counters.reads_past_its_body, r"acme/counter\[0\]: the body is read past its end; expected at most 13"),
        (leaves_octets, r"acme/counter\[0\]: the body is longer than its contents; expected 8 octets, got 13"),
    ):
        with pytest.raises(RecordError, match=message):
            Harness(wrapped(changed(load=load), ForwardingWriter, ForwardingRun), Machine("", "")).load(octets)


def leaves_octets(state: Counters, run: RecordRun, context: Context) -> None:
    """Reads eight octets of thirteen."""
    for record in run:
        record.read(8)


def test_the_type_is_the_inner_one_s() -> None:
    """Handlers see the record type that they are called for."""
    seen: list[Any] = []

    def save(state: Counters, writer: RecordWriter, context: Context) -> None:
        seen.append(writer.record_type)
        counters.save(state, writer, context)

    def load(state: Counters, run: RecordRun, context: Context) -> None:
        seen.append(run.record_type)
        counters.load(state, run, context)

    harness = Harness(wrapped(changed(save=save, load=load), ForwardingWriter, ForwardingRun), Machine("", ""))
    harness.load(harness.save(STATE))
    assert [kind.name for kind in seen] == ["acme/counter", "acme/counter"]
