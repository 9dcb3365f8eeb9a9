"""X86_PV_INFO and X86_PV_P2M_FRAMES."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest

from domctx.errors import StreamError
from domctx_xen.p2m import NOWHERE
from domctx_xen.walk import Walk
from helpers import xen_streams as xs
from helpers.xen_streams import Bits
from helpers.xen_verdicts import domain_of


def walked(folder: Path, *records: Bits) -> Walk:
    """A stream of a paravirtualised guest up to its P2M."""
    return domain_of(folder, xs.headers(1), *records, xs.END).walk


def test_frames_of_several_records_are_put_together(tmp_path: Path) -> None:
    """Each tells some groups; a group that none tells of is known to be missing."""
    walk = walked(
        tmp_path,
        xs.pv_info(),
        xs.p2m_frames(last=511, frames=[3]),
        xs.p2m_frames(first=1024, last=2047, frames=[5, 6]),
    )
    assert walk.p2m.frames.tolist() == [3, NOWHERE, 5, 6]
    assert walk.p2m.last == 2047


def test_many_records_of_a_large_p2m_take_little_memory(tmp_path: Path) -> None:
    """A record costs what it holds, wherever its pages are."""
    records = [xs.p2m_frames(first=0xFFFF_FFFF, last=0xFFFF_FFFF, frames=[number]) for number in range(50)]
    tracemalloc.start()
    walk = walked(tmp_path, xs.pv_info(), *records)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert walk.p2m.last == 0xFFFF_FFFF
    assert walk.p2m.frames[-2:].tolist() == [NOWHERE, 49]


@pytest.mark.parametrize(("width", "frames"), [(8, 2), (4, 1)])
def test_a_frame_holds_a_page_of_the_guests_words(width: int, frames: int, tmp_path: Path) -> None:
    """512 of a 64-bit guest, 1024 of a 32-bit guest."""
    walk = walked(tmp_path, xs.pv_info(width), xs.p2m_frames(last=1023, frames=range(frames)))
    assert walk.problem is None
    assert len(walk.p2m.frames) == frames


REFUSED: dict[str, tuple[tuple[Bits, ...], str]] = {
    "short info": ((xs.record(2, b"\x08\x04"), xs.p2m_frames()), "X86_PV_INFO has the wrong length"),
    "width": ((xs.record(2, struct.pack("<BB6x", 8, 3)), xs.p2m_frames()), "a guest that there is not"),
    "no info": ((xs.p2m_frames(),), "stands before X86_PV_INFO"),
    "no head": ((xs.pv_info(), xs.record(3, b"abcd")), "X86_PV_P2M_FRAMES has the wrong length"),
    "a frame too few": ((xs.pv_info(), xs.p2m_frames(last=600)), "X86_PV_P2M_FRAMES has the wrong length"),
    "backwards": ((xs.pv_info(), xs.p2m_frames(first=600, last=2)), "ends before it begins"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_records_are_refused(name: str, tmp_path: Path) -> None:
    """By name and offset."""
    records, message = REFUSED[name]
    problem = walked(tmp_path, *records).problem
    assert isinstance(problem, StreamError)
    assert message in str(problem)
    assert problem.offset is not None
