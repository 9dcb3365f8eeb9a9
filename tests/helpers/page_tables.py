"""Hypothesis strategies for page-table contexts, and the road of one record there and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from domctx.api import Machine, RecordType
from domctx.records import Ledger, StreamRun, TypeWriter
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.states import PageTablesContext, SpecialMapping, Suspension
from domctx.stream import StreamReader, StreamWriter
from domctx_x86.paging import KNOWN

NAMES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=12)


def pages_context(types: Any, **fields: Any) -> PageTablesContext:
    """A context of two-level i386 page tables."""
    return PageTablesContext(width=4, levels=2, types=np.array(types, dtype=np.uint8), **fields)


@st.composite
def contexts(draw: st.DrawFn) -> PageTablesContext:
    """Any context that the record can hold."""
    runs = draw(
        st.lists(st.tuples(st.integers(1, 700), st.sampled_from([0, 1, 2, 3, 4, 9, 10])), min_size=1, max_size=8)
    )
    types = np.concatenate([np.full(count, kind, dtype=np.uint8) for count, kind in runs])
    pfns = st.integers(0, len(types) - 1)
    paging = draw(st.sampled_from(KNOWN))
    groups = paging.p2m_frames(len(types))
    words = draw(st.lists(st.tuples(pfns, st.integers(0, paging.entries - 1)), unique=True, max_size=5))
    flags = st.integers(0, (1 << 8 * paging.width) - 1).map(lambda value: value & paging.flags_mask)
    return PageTablesContext(
        width=paging.width,
        levels=paging.levels,
        types=types,
        frame_list=tuple(draw(st.one_of(st.just([]), st.lists(pfns, min_size=groups, max_size=groups)))),
        special=tuple(SpecialMapping(pfn, index, draw(flags), draw(NAMES)) for pfn, index in sorted(words)),
        suspension=draw(st.none() | suspensions(pfns, groups + 2)),
    )


@st.composite
def suspensions(draw: st.DrawFn, pfns: st.SearchStrategy[int], most: int) -> Suspension:
    """Any suspension of a domain with these pages."""
    registers = draw(st.dictionaries(NAMES, st.integers(0, 2**32 - 1), max_size=4))
    octets = st.sampled_from([b"", bytes(range(256)) * 16])
    return Suspension(registers=registers, displaced=draw(st.dictionaries(pfns, octets, max_size=most)))


def save_records(record_type: RecordType, state: Any, context: Any = None) -> bytes:
    """What the type's save handler writes, headers and padding included."""
    sink = BytesSink()
    writer = TypeWriter(StreamWriter(sink), record_type)
    record_type.save(state, writer, context)
    writer.finish()
    return bytes(sink.octets)


def run_of(record_type: RecordType, octets: bytes) -> StreamRun:
    """The records in ``octets`` as a load handler sees them."""
    reader = StreamReader(BytesSource(octets), names={record_type.code: record_type.name})
    return StreamRun(reader, record_type, Ledger(record_type), record_type.version, lambda done: None)


def load_records(record_type: RecordType, octets: bytes, context: Any = None) -> Any:
    """A new state, loaded from ``octets``."""
    state = record_type.new_state(Machine("", "i386"))
    run = run_of(record_type, octets)
    record_type.load(state, run, context)
    run.finish()
    return state
