"""The octets of PAGE_TABLES."""

from __future__ import annotations

import numpy as np

from domctx.schema import encode, size_of
from domctx_page_tables.layout import CODE, FRAME_RUN, NAME, TYPE_RUN, PageTablesBody


def test_sizes_are_pinned() -> None:
    """The fixed head has 8 octets, a run of types 5, a run of frames 12."""
    assert size_of(PageTablesBody) == 8
    assert np.dtype(list(TYPE_RUN)).itemsize == 5
    assert np.dtype(list(FRAME_RUN)).itemsize == 12
    assert (CODE, NAME) == (0x00010030, "PAGE_TABLES")


def test_the_head_stands_as_documented() -> None:
    """Width, levels, two reserved octets, then N, little-endian."""
    assert encode(PageTablesBody(width=4, levels=2, pfns=0x123456, tail=None))[:8].hex() == "0402000056341200"
