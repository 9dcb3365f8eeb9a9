"""Page tables in memory."""

from __future__ import annotations

import numpy as np
import pytest

import domctx_page_tables
from domctx.states import PageBatch, PageKind
from domctx_page_tables import StoredPageTables
from helpers.page_tables import pages_context


def test_what_is_stored_comes_back() -> None:
    """The context is None until one is stored; the last one stored counts."""
    state = StoredPageTables()
    assert state.context is None
    one, other = pages_context([0]), pages_context([0, 1])
    state.store(one)
    state.store(other)
    assert state.context is other


def test_pages_pass_as_they_are() -> None:
    """Without machine frames canonicalising and localising are identities."""
    batch = PageBatch(0, 0, np.array([PageKind.DATA], dtype=np.uint8), np.ones((1, 4096), dtype=np.uint8))
    state = StoredPageTables(pages_context([2]))
    assert state.canonicalise(batch) is batch
    assert state.localise(batch) is batch


def test_the_package_gives_its_names_when_asked() -> None:
    """Public names are imported on first use; any other name is an AttributeError."""
    assert domctx_page_tables.NO_PFN == 0xFFFFFFFF
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        domctx_page_tables.nothing  # noqa: B018 (the access is the test)
