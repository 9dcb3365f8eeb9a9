"""Buffers that are used again."""

from __future__ import annotations

from domctx_memory.buffers import ALIGN, Buffers
from domctx_memory.layout import RECORD_OCTETS


def test_a_buffer_given_back_is_taken_again() -> None:
    """Only as many buffers exist as were out at the same time."""
    buffers = Buffers()
    first, second = buffers.take(), buffers.take()
    assert first is not second
    assert len(first) == RECORD_OCTETS
    buffers.give(first)
    assert buffers.take() is first


def test_a_buffer_begins_where_a_page_does() -> None:
    """Fresh buffers are aligned to pages, whatever their size."""
    for size in (1, 4097, RECORD_OCTETS):
        fresh = Buffers(size).take()
        assert len(fresh) == size
        assert fresh.__array_interface__["data"][0] % ALIGN == 0
