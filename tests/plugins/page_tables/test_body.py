"""PAGE_TABLES: contexts to octets and back, and every body that is refused."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomctxError, RecordError, UnsupportedError
from domctx.schema import decode, encode
from domctx.states import PageTablesContext, SpecialMapping, Suspension
from domctx_page_tables.body import from_body, to_body
from domctx_page_tables.layout import PageTablesBody
from domctx_page_tables.runs import pack_frames, pack_types
from helpers.page_tables import contexts, pages_context


def same(a: PageTablesContext, b: PageTablesContext) -> bool:
    """Whether two contexts are equal, types included."""
    fields = [field.name for field in attrs.fields(PageTablesContext) if field.name != "types"]
    return np.array_equal(a.types, b.types) and all(getattr(a, name) == getattr(b, name) for name in fields)


@settings(max_examples=60, deadline=None)
@given(contexts())
def test_a_context_comes_back_from_its_octets(context: PageTablesContext) -> None:
    """Encoding and decoding gives the same context, and encoding that the same octets."""
    octets = encode(to_body(context))
    back = from_body(decode(PageTablesBody, octets))
    assert same(back, context)
    assert encode(to_body(back)) == octets


@settings(max_examples=150, deadline=None)
@given(contexts(), st.data())
def test_damaged_octets_are_refused_or_another_context(context: PageTablesContext, data: st.DataObject) -> None:
    """A body with some octets changed, cut or added raises a DomctxError, or is the one form of what it now says."""
    octets = bytearray(encode(to_body(context)))
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(octets[: data.draw(st.integers(0, len(octets)))]) if data.draw(st.booleans()) else bytes(octets)
    try:
        back = from_body(decode(PageTablesBody, damaged))
    except DomctxError:
        return
    assert encode(to_body(back)) == damaged


def test_the_largest_domain_takes_few_octets() -> None:
    """2**20 pages whose P2M lies in one piece take less than a page of octets, and come back."""
    types = np.zeros(1 << 20, dtype=np.uint8)
    types[4096:4352] = 1
    context = pages_context(types, frame_list=tuple(range(5000, 6024)))
    octets = encode(to_body(context))
    assert len(octets) < 200
    assert same(from_body(decode(PageTablesBody, octets)), context)


def test_the_worst_domain_still_fits() -> None:
    """2**20 pages, no two neighbours of one type, stay below the largest body of a record."""
    types = np.arange(1 << 20, dtype=np.uint32).astype(np.uint8) & 1
    context = pages_context(types, frame_list=tuple(range(2046, -2, -2)))
    assert len(encode(to_body(context))) < 16 << 20


def good_tail() -> dict[str, Any]:
    """The tail of a body of four pages."""
    return {
        "types": pack_types(np.array([0, 0, 1, 2], dtype=np.uint8)),
        "frame_list": pack_frames([1]),
        "special": [[0, 1, 0x23, "shared_info"]],
        "suspension": {"registers": {"esi": 1}, "displaced": [[0, b""], [1, bytes(4096)]]},
    }


def body(**tail: Any) -> PageTablesBody:
    """A body of four pages with parts of its tail replaced."""
    return PageTablesBody(width=4, levels=2, pfns=4, tail={**good_tail(), **tail})


def runs(*pairs: tuple[int, int], dtype: str = "<u4,u1") -> bytes:
    """Packed runs."""
    return np.array(list(pairs), dtype=dtype).tobytes()


def suspension(registers: Any = None, displaced: Any = None) -> dict[str, Any]:
    """A suspension's tail."""
    return {"registers": registers or {}, "displaced": displaced if displaced is not None else []}


REFUSED = {
    "no dict": (PageTablesBody(width=4, levels=2, pfns=4, tail=[]), "the tail has the wrong keys"),
    "a key too many": (body(more=1), "the tail has the wrong keys"),
    "types are text": (body(types="x"), "types has the wrong type"),
    "cut type runs": (body(types=bytes(4)), "types: cut runs"),
    "too few pages": (body(types=runs((3, 0))), "types: the runs do not cover the pages"),
    "too many pages": (body(types=runs((0xFFFFFFFF, 0), (0xFFFFFFFF, 1))), "types: the runs do not cover the pages"),
    "an empty run": (body(types=runs((0, 1), (4, 0))), "types: a run is empty, or two runs could be one"),
    "two runs for one": (body(types=runs((3, 0), (1, 0))), "types: a run is empty, or two runs could be one"),
    "an unknown type": (body(types=runs((2, 0), (2, 5))), r"types\[0x2\] is no page type"),
    "pinned nothing": (body(types=runs((4, 8))), r"types\[0x0\] is no page type"),
    "frame list is a list": (body(frame_list=[1]), "frame_list has the wrong type"),
    "cut frame runs": (body(frame_list=bytes(11)), "frame_list: cut runs"),
    "frames without end": (body(frame_list=runs((0, 0xFFFFFFFF), dtype="<u8,<u4")), "frame_list: too many frames"),
    "an empty frame run": (body(frame_list=runs((0, 0), dtype="<u8,<u4")), "frame_list: a run is empty"),
    "a P2M frame past the end": (body(frame_list=pack_frames([4])), r"frame_list\[0\] is no page of the domain"),
    "special is a dict": (body(special={}), "special has the wrong type"),
    "special of text": (body(special=["x"]), r"special\[0\] has the wrong type"),
    "special too short": (body(special=[[0, 1, 2]]), r"special\[0\] has the wrong shape"),
    "special with a bool": (body(special=[[True, 1, 2, "x"]]), r"special\[0\] has the wrong shape"),
    "special twice": (body(special=[[0, 1, 2, "x"]] * 2), "special: not in ascending order"),
    "special past the end": (body(special=[[4, 1, 2, "x"]]), r"special\[0\].pfn is no page of the domain"),
    "special past its page": (body(special=[[0, 1024, 2, "x"]]), r"special\[0\].index is out of range"),
    "special with an address": (body(special=[[0, 1, 0x1000, "x"]]), r"special\[0\].flags reach into the frame"),
    "special of nothing": (body(special=[[0, 1, 2, ""]]), r"special\[0\].target is no name"),
    "special with an escape": (body(special=[[0, 1, 2, "\x1b[2J"]]), r"special\[0\].target is no name"),
    "special with a long name": (body(special=[[0, 1, 2, "x" * 65]]), r"special\[0\].target is no name"),
    "suspension is a list": (body(suspension=[]), "suspension has the wrong keys"),
    "suspension lacks a key": (body(suspension={"registers": {}}), "suspension has the wrong keys"),
    "registers are a list": (body(suspension=suspension([1])), "suspension.registers has the wrong type"),
    "a register has no name": (body(suspension=suspension({1: 2})), "suspension.registers: a name has the wrong type"),
    "a register is text": (body(suspension=suspension({"esi": "x"})), r"suspension.registers\['esi'\] has the wrong"),
    "a register is too wide": (
        body(suspension=suspension({"esi": 1 << 32})),
        "suspension.registers.esi is out of range",
    ),
    "a register is negative": (body(suspension=suspension({"esi": -1})), "suspension.registers.esi is out of range"),
    "a nameless register": (body(suspension=suspension({"": 0})), "suspension.registers: a name is no name"),
    "too many registers": (
        body(suspension=suspension({f"r{n}": n for n in range(65)})),
        "too many registers of a suspension",
    ),
    "displaced is a dict": (body(suspension=suspension(displaced={})), "suspension.displaced has the wrong type"),
    "displaced twice": (
        body(suspension=suspension(displaced=[[0, b""]] * 2)),
        "suspension.displaced: not in ascending order",
    ),
    "displaced past the end": (
        body(suspension=suspension(displaced=[[4, b""]])),
        "suspension.displaced is no page of the domain",
    ),
    "displaced in part": (
        body(suspension=suspension(displaced=[[0, bytes(4095)]])),
        r"suspension.displaced\[0x0\] is no page",
    ),
    "displaced of a wrong shape": (
        body(suspension=suspension(displaced=[[0]])),
        r"suspension.displaced\[0\] has the wrong shape",
    ),
    "more displaced than a suspension writes": (
        body(suspension=suspension(displaced=[[pfn, b""] for pfn in range(4)])),
        "too many displaced pages",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_each_bad_body_is_refused_by_name(name: str) -> None:
    """A body that breaks a bound raises a RecordError that says which."""
    bad, message = REFUSED[name]
    with pytest.raises(RecordError, match=message):
        from_body(bad)


@pytest.mark.parametrize("pfns", [0, (1 << 20) + 1, 0xFFFFFFFF])
def test_the_number_of_pages_is_bounded(pfns: int) -> None:
    """A body of no page, or of more than 2**20, is refused before anything is made of it."""
    with pytest.raises(RecordError, match="pages out of range"):
        from_body(PageTablesBody(width=4, levels=2, pfns=pfns, tail=good_tail()))


def test_unknown_paging_is_unsupported() -> None:
    """Two levels have entries of four octets, three and four levels entries of eight; there is nothing else."""
    with pytest.raises(UnsupportedError, match="a geometry that is not known"):
        from_body(PageTablesBody(width=4, levels=3, pfns=4, tail=good_tail()))
    with pytest.raises(UnsupportedError, match="a geometry that is not known"):
        to_body(attrs.evolve(pages_context([0]), levels=4))


def test_two_runs_of_frames_that_could_be_one_are_refused() -> None:
    """The frame list has one form only."""
    types = runs((2048, 0))
    frames = runs((5, 1), (6, 1), dtype="<u8,<u4")
    tail = {**good_tail(), "types": types, "frame_list": frames}
    with pytest.raises(RecordError, match="frame_list: a run is empty, or two runs could be one"):
        from_body(PageTablesBody(width=4, levels=2, pfns=2048, tail=tail))


BAD_CONTEXTS = {
    "frame list of a wrong length": (pages_context([0] * 1025, frame_list=(1,)), "frame_list has the wrong length"),
    "two mappings of one word": (
        pages_context([0], special=(SpecialMapping(0, 1, 2, "x"), SpecialMapping(0, 1, 3, "y"))),
        "special: two mappings of one word",
    ),
    "too many special mappings": (
        pages_context([0] * 65, special=tuple(SpecialMapping(n // 1024, n % 1024, 0, "x") for n in range(65537))),
        "too many special mappings",
    ),
    "a page that is none": (
        pages_context([0], suspension=Suspension(registers={}, displaced={0: b"x"})),
        "is no page",
    ),
}


@pytest.mark.parametrize("name", BAD_CONTEXTS)
def test_a_context_that_no_record_can_hold_is_refused(name: str) -> None:
    """What breaks a bound is refused on the way out too."""
    context, message = BAD_CONTEXTS[name]
    with pytest.raises(RecordError, match=message):
        to_body(context)


def test_special_mappings_are_saved_in_order() -> None:
    """The order in which a domain lists its special mappings does not show."""
    special = (SpecialMapping(1, 5, 2, "x"), SpecialMapping(0, 9, 2, "x"))
    assert encode(to_body(pages_context([0, 0], special=special))) == encode(
        to_body(pages_context([0, 0], special=special[::-1]))
    )
