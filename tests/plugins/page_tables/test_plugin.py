"""The record type PAGE_TABLES, driven as the core drives it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from domctx.api import Machine
from domctx.errors import DomctxError
from domctx.states import PAGE_TABLES, PageTablesContext
from domctx.testing import RecordTypeContract
from domctx_page_tables import StoredPageTables
from domctx_page_tables.compare import compare
from domctx_page_tables.plugin import domctx_record_types
from helpers.page_tables import contexts, load_records, run_of, save_records

(TYPE,) = domctx_record_types()
NO_CONTEXT: Any = None
"""The handlers of this type ask nothing of their context."""


class TestPageTablesContract(RecordTypeContract):
    """PAGE_TABLES keeps the contract of record types."""

    record_type = TYPE
    machine = Machine("contract", "i386", pv_width=4, pv_levels=2)
    max_changes = 512

    def states(self) -> st.SearchStrategy[StoredPageTables]:
        """States of one context."""
        return contexts().map(StoredPageTables)


@settings(max_examples=30, deadline=None)
@given(contexts())
def test_records_come_back_and_their_size_is_known(context: PageTablesContext) -> None:
    """What is saved loads to an equal state; the dry run's size is the real one."""
    state = StoredPageTables(context)
    octets = save_records(TYPE, state)
    assert TYPE.exact_size is not None
    assert TYPE.diff is not None
    assert TYPE.exact_size(state, NO_CONTEXT) == len(octets)
    back = load_records(TYPE, octets)
    assert not list(compare(back.context, context))
    assert not list(TYPE.diff(back, state, NO_CONTEXT))


def test_an_empty_state_has_no_record() -> None:
    """A domain without page tables saves nothing."""
    assert TYPE.exact_size is not None
    assert save_records(TYPE, StoredPageTables()) == b""
    assert TYPE.exact_size(StoredPageTables(), NO_CONTEXT) == 0
    assert TYPE.state is PAGE_TABLES


@settings(max_examples=10, deadline=None)
@given(contexts())
def test_show_tells_the_record(context: PageTablesContext) -> None:
    """``show`` decodes the record and tells its pages."""
    (record,) = list(_records(save_records(TYPE, StoredPageTables(context))))
    assert record["pfns"] == len(context.types)


def _records(octets: bytes) -> Any:
    assert TYPE.show is not None
    for record in run_of(TYPE, octets):
        yield TYPE.show(record, NO_CONTEXT)


@settings(max_examples=10, deadline=None)
@given(contexts())
def test_cut_records_are_refused(context: PageTablesContext) -> None:
    """A record that ends early raises a DomctxError wherever it ends."""
    octets = save_records(TYPE, StoredPageTables(context))
    for size in range(1, len(octets), 7):
        with pytest.raises(DomctxError):
            load_records(TYPE, octets[:size])


def test_the_entry_point_imports_nothing_heavy() -> None:
    """The module that the core imports to learn the type brings neither numpy nor cbor2."""
    code = (
        "import sys, domctx_page_tables.plugin as p; p.domctx_record_types();"
        "print([m for m in ('numpy', 'cbor2', 'click', 'rich', 'backports.zstd') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
