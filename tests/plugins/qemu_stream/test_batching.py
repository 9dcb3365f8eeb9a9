"""Runs of pages become batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from domctx.states import PageKind
from domctx_qemu_stream.batching import LONG, Batching, Piece, Seen
from domctx_qemu_stream.runs import Place
from helpers.qemu_streams import PAGE, data, pages

RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)).map(lambda row: (row[0], row[0] + row[1])))


@given(RANGES, st.integers(1, 5), st.integers(1, 70))
def test_gaps(ranges: list[tuple[int, int]], limit: int, size: int) -> None:
    """Are the pages that nothing told of, however the ranges overlap, and however few are kept apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Seen, "LIMIT", limit)
        seen = Seen()
        for low, high in ranges:
            seen.add(low, high)
        told = {page for low, high in ranges for page in range(low, high)}
        assert bool(seen) == bool(ranges)
        gaps = list(seen.gaps(size))
        assert sorted(set(range(size)) - told) == [page for low, high in gaps for page in range(low, high)]


def test_runs_are_joined_and_cut() -> None:
    """What follows in a block is one batch, no longer than was asked for; kinds, contents and fills in order."""
    view = memoryview(b"".join(data(page, pages(page + 1)) for page in range(4)))
    pieces = [
        Piece(0, 0, 3, 8, Place.STREAM),
        Piece(0, 3, 2, 7, Place.FILL),
        Piece(0, 5, 2, 0, Place.FILL),
        Piece(1, 7, 1, 8 + 3 * (PAGE + 8), Place.STREAM),
    ]
    batching = Batching([10, 10], 4)
    found = []
    for batch in batching.batches(pieces, view, 0):
        assert batch.fills is not None
        found.append((batch.block, batch.first, batch.kinds.tolist(), batch.pages.tobytes(), batch.fills.tolist()))
    data_, zero, fill = PageKind.DATA, PageKind.ZERO, PageKind.FILL
    assert found == [
        (0, 0, [data_, data_, data_, fill], pages(1, 2, 3), [7]),
        (0, 4, [fill, zero, zero], b"", [7]),
        (1, 7, [data_], pages(4), []),
    ]
    assert batching.told == [True, True]
    assert [(batch.first, batch.count) for batch in batching.missing(1)] == [(0, 4), (4, 3), (8, 2)]
    assert all(np.all(batch.kinds == zero) for batch in batching.missing(0))


@pytest.mark.parametrize("skew", [0, 3])
def test_a_long_run_is_not_copied(skew: int) -> None:
    """Its pages are views of the stream, wherever they stand in it; what stood before it is a batch of its own."""
    count = LONG + 3
    octets = np.frombuffer(bytes(skew) + b"".join(data(page, pages(page % 251 + 1)) for page in range(count)), np.uint8)
    pieces = [Piece(0, 0, 5, 0, Place.FILL), Piece(0, 5, count, skew + 8, Place.STREAM)]
    zeros, *found = Batching([200], LONG).batches(pieces, octets.data, 0)
    assert (zeros.first, zeros.kinds.tolist()) == (0, [PageKind.ZERO] * 5)
    assert [(batch.first, batch.count) for batch in found] == [(5, LONG), (5 + LONG, 3)]
    assert all(np.shares_memory(batch.pages, octets) for batch in found)
    assert b"".join(batch.pages.tobytes() for batch in found) == pages(*(page % 251 + 1 for page in range(count)))
    assert all((batch.kinds == PageKind.DATA).all() for batch in found)
