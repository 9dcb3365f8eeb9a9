"""Hypothesis strategies for streams of records, and for octets changed in ways that files get damaged."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from domctx.testing.streams import RawRecord, join
from domctx.wire import OPTIONAL, START_BODY, TYPE_END, TYPE_START, XEN_VERSION, code_range

INTERESTING: Final = tuple(
    value.to_bytes(width, "little")
    for width in (1, 2, 4, 8)
    for value in (0, 1, (1 << 8 * width - 1) - 1, 1 << 8 * width - 1, (1 << 8 * width) - 1)
)
"""Numbers at which lengths, counts and signs go wrong."""


@st.composite
def mutated(draw: st.DrawFn, octets: bytes) -> bytes:
    """``octets`` after one to four changes: a bit flipped, octets overwritten, put in, taken out, doubled, turned."""
    changed = bytearray(octets)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(changed)))
        stop = min(len(changed), start + draw(st.sampled_from((1, 2, 4, 8, 16))))
        _change(changed, start, stop, draw)
    return bytes(changed)


def _change(changed: bytearray, start: int, stop: int, draw: st.DrawFn) -> None:
    piece = bytes(changed[start:stop])
    match draw(st.sampled_from(("flip", "number", "insert", "remove", "double", "turn"))):
        case "flip" if piece:
            changed[start] ^= 1 << draw(st.integers(0, 7))
        case "number":
            number = draw(st.sampled_from(INTERESTING))
            changed[start : start + len(number)] = number
        case "insert":
            changed[start:start] = draw(st.binary(min_size=1, max_size=16))
        case "remove":
            del changed[start:stop]
        case "double":
            changed[start:start] = piece
        case _:
            changed[start:stop] = piece[::-1]


def raw_records(max_body: int = 64) -> st.SearchStrategy[RawRecord]:
    """Records of any type but START and END, rightly framed; a third of them optional."""
    codes = st.integers(0x1_0000, 0x7FFF_FFFF).filter(lambda code: code_range(code).owner != "bundled")
    types = st.tuples(codes, st.sampled_from((0, 0, OPTIONAL))).map(lambda pair: pair[0] | pair[1])
    return st.builds(RawRecord, types, st.integers(0, 0xFFFF_FFFF), st.binary(max_size=max_body))


def record_streams(max_records: int = 6, max_body: int = 64) -> st.SearchStrategy[bytes]:
    """Whole plain images: START, records of unknown types, END."""
    start = RawRecord(TYPE_START, 0, START_BODY.pack(*XEN_VERSION))
    end = RawRecord(TYPE_END, 0, b"")
    return st.lists(raw_records(max_body), max_size=max_records).map(lambda records: join([start, *records, end]))
