"""Sections other than RAM that go on, written."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from domctx.errors import DomainError
from domctx.sinks import BytesSink
from domctx_qemu_stream import others
from domctx_qemu_stream.heads import Head
from domctx_qemu_stream.layout import SHAPE, Element
from domctx_qemu_stream.others import Others
from helpers import qemu_streams as qs

HEADS = [Head(Element.SECTION_START, identity, f"section {identity}", 0, 1, b"") for identity in (5, 6)]


class Told:
    """Others with a sink, and what they said before they wrote."""

    def __init__(self, *, footers: bool = True) -> None:
        self.sink = BytesSink()
        self.ended: list[str] = []
        self.others = Others(
            self.sink, HEADS, footers=footers, first=lambda: None, ending=lambda head: self.ended.append(head.name)
        )


@given(
    sizes=st.lists(st.tuples(st.integers(5, 6), st.integers(0, 9))),
    cut=st.integers(1, 20),
    shape_cut=st.integers(1, 30),
    footers=st.booleans(),
)
def test_parts_come_back_as_they_were_cut(
    sizes: list[tuple[int, int]], cut: int, shape_cut: int, footers: bool
) -> None:
    """However shape and octets are cut on their way, each part has its own octets again, and its end."""
    rows, octets, expected = b"", b"", b""
    for place, (identity, size) in enumerate([*sizes, (6, 3), (5, 0)]):
        kind = 2 if place < len(sizes) else 3
        body = bytes((place % 256,)) * size
        rows += SHAPE.pack(kind, identity, size)
        octets += body
        expected += qs.section(kind, identity, body, footer=footers)
    told = Told(footers=footers)
    for at in range(0, len(rows), shape_cut):
        told.others.shape(rows[at : at + shape_cut])
    for at in range(0, len(octets), cut):
        told.others.payload(octets[at : at + cut])
    told.others.finish()
    assert told.sink.octets == expected
    assert told.ended == ["section 6", "section 5"]
    assert not told.others.pending


def give(told: Told, octets: bytes) -> None:
    """Give all octets, and say so."""
    told.others.payload(octets)
    told.others.finish()


@pytest.mark.parametrize(
    ("why", "rows", "octets"),
    [
        ("0x1 octets more", SHAPE.pack(3, 5, 2) + SHAPE.pack(3, 6, 0), b"123"),
        ("half a row", SHAPE.pack(3, 5, 0) + b"\2", b""),
        ("a part 0x02 of section 0x00000007", SHAPE.pack(2, 7, 0), b""),
        ("a part 0x04 of section 0x00000005", SHAPE.pack(4, 5, 0), b""),
        ("a part 0x02 of section 0x00000005", SHAPE.pack(3, 5, 0) + SHAPE.pack(2, 5, 0), b""),
        ("no end of 'section 6'", SHAPE.pack(3, 5, 0), b""),
        ("no end of the last part", SHAPE.pack(3, 5, 0) + SHAPE.pack(3, 6, 9), b"12"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(why: str, rows: bytes, octets: bytes) -> None:
    """Too many octets, too few, parts of sections that never began or have ended."""
    told = Told()
    told.others.shape(rows)
    with pytest.raises(DomainError, match=why):
        give(told, octets)


def test_shapes_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No stream has so many parts."""
    monkeypatch.setattr(others, "LIMIT", 20)
    told = Told()
    told.others.shape(SHAPE.pack(2, 5, 0) * 2)
    with pytest.raises(DomainError, match="too many parts"):
        told.others.shape(SHAPE.pack(2, 5, 0))
