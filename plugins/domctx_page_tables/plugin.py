"""The record type PAGE_TABLES; what it does stands in the other rooms, imported when it is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from domctx.api import JSON, Context, Difference, Machine, Record, RecordRun, RecordType, RecordWriter
from domctx.hookspecs import hookimpl
from domctx.states import PAGE_TABLES, PageTables

if TYPE_CHECKING:
    from domctx_page_tables.stored import StoredPageTables


def save(state: PageTables, writer: RecordWriter, context: Context) -> None:
    """Write the one record; none where the state holds nothing. Raises RecordError for what no record can hold."""
    from domctx_page_tables.body import to_body

    if state.context is not None:
        writer.write_object(to_body(state.context))


def load(state: PageTables, run: RecordRun, context: Context) -> None:
    """Store the one record's context. Raises RecordError and UnsupportedError."""
    from domctx_page_tables.body import from_body

    for record in run:
        state.store(from_body(record.decode()))


def exact_size(state: PageTables, context: Context) -> int:
    """Octets of the record, header and padding included."""
    from domctx.schema import encode
    from domctx.wire import record_size
    from domctx_page_tables.body import to_body

    return record_size(len(encode(to_body(state.context)))) if state.context is not None else 0


def new_state(machine: Machine) -> StoredPageTables:
    """An empty state in memory."""
    from domctx_page_tables.stored import StoredPageTables

    return StoredPageTables()


def show(record: Record, context: Context) -> JSON:
    """The record as JSON: types as runs and counts, PFNs in hexadecimal."""
    from domctx_page_tables.body import from_body
    from domctx_page_tables.compare import describe

    return describe(from_body(record.decode()))


def diff(a: PageTables, b: PageTables, context: Context) -> Iterable[Difference]:
    """Every place in which two states differ; all of it counts, since none of it tells frames of a machine."""
    from domctx_page_tables.compare import compare

    return compare(a.context, b.context)


@hookimpl
def domctx_record_types() -> Sequence[RecordType]:
    """PAGE_TABLES."""
    return [
        RecordType(
            code=0x0001_0030,
            name="PAGE_TABLES",
            summary="page types, P2M frame list and special mappings of a paravirtualised guest",
            state=PAGE_TABLES,
            save=save,
            load=load,
            new_state=new_state,
            body="domctx_page_tables.layout:PageTablesBody",
            exact_size=exact_size,
            show=show,
            diff=diff,
        )
    ]
