"""Tests of domctx.spool: bodies whose length is not known."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from domctx import spool
from domctx.errors import DomainError
from domctx.spool import BUFFER_LIMIT, Spool


@given(st.lists(st.binary(max_size=40)), st.integers(1, 60))
def test_what_goes_in_comes_out(pieces: list[bytes], limit: int) -> None:
    """In memory or in a file, in pieces of any size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "BUFFER_LIMIT", limit)
        patch.setattr(spool, "PIECE", 7)
        held = Spool()
        for piece in pieces:
            held.write(memoryview(piece))
        assert held.size == sum(map(len, pieces))
        assert b"".join(held.pieces()) == b"".join(pieces)


def test_a_long_body_is_not_kept_in_memory() -> None:
    """Neither while it is written nor when it is given back."""
    tracemalloc.start()
    held, piece = Spool(), bytes(1 << 20)
    for _ in range(48):
        held.write(piece)
    assert sum(map(len, held.pieces())) == 48 << 20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * BUFFER_LIMIT + (8 << 20)


def test_a_full_disk_is_the_disk_s_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by the folder of temporary files; no plugin is blamed."""
    monkeypatch.setattr(spool, "BUFFER_LIMIT", 1)
    held = Spool()
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(held, "_file", full)
        with pytest.raises(DomainError, match=f"{tempfile.gettempdir()}: No space left on device"):
            held.write(b"12")


def test_what_cannot_be_read_back_is_the_disk_s_refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As when it is written."""
    held = Spool()
    monkeypatch.setattr(held, "_file", (tmp_path / "x").open("wb"))
    with pytest.raises(DomainError, match=": read"):
        list(held.pieces())
