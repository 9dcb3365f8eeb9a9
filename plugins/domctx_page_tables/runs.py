"""Packed runs: page types and frame lists as few octets, and back within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from domctx.errors import RecordError
from domctx_page_tables.layout import FRAME_RUN, TYPE_RUN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def run_starts(values: NDArray[Any]) -> NDArray[np.intp]:
    """Where each run of equal values begins."""
    if not len(values):
        return np.empty(0, dtype=np.intp)
    changes: NDArray[np.intp] = np.flatnonzero(values[1:] != values[:-1]) + 1
    return np.concatenate((np.zeros(1, dtype=np.intp), changes))


def pack_types(types: NDArray[np.uint8]) -> bytes:
    """The TYPE_RUNs of ``types`` u8[N]."""
    starts = run_starts(types)
    runs = np.empty(len(starts), dtype=list(TYPE_RUN))
    runs["count"] = np.diff(starts, append=len(types))
    runs["type"] = types[starts]
    return runs.tobytes()


def unpack_types(octets: bytes, pfns: int) -> NDArray[np.uint8]:
    """u8[pfns] out of TYPE_RUNs. Raises RecordError unless they cover exactly that many pages, in fewest runs."""
    runs = _runs(octets, np.dtype(list(TYPE_RUN)), "types")
    counts = runs["count"].astype(np.uint64)
    total = int(counts.sum())
    if total != pfns:
        raise RecordError("types: the runs do not cover the pages", expected=f"0x{pfns:08x}", got=f"0x{total:08x}")
    kinds = runs["type"]
    if not counts.all() or bool((kinds[1:] == kinds[:-1]).any()):
        raise RecordError("types: a run is empty, or two runs could be one")
    return np.repeat(kinds, counts.astype(np.intp))


def frame_runs(frames: Sequence[int]) -> list[tuple[int, int]]:
    """(first, count) of each run of consecutive frames."""
    numbers = np.array(frames, dtype=np.int64)
    starts = run_starts(numbers - np.arange(len(numbers)))
    counts = np.diff(starts, append=len(numbers))
    return list(zip(numbers[starts].tolist(), counts.tolist(), strict=True))


def pack_frames(frames: Sequence[int]) -> bytes:
    """The FRAME_RUNs of a frame list."""
    return np.array(frame_runs(frames), dtype=list(FRAME_RUN)).tobytes()


def unpack_frames(octets: bytes, most: int) -> tuple[int, ...]:
    """A frame list out of FRAME_RUNs. Raises RecordError for more than ``most`` frames, or more runs than needed."""
    runs = _runs(octets, np.dtype(list(FRAME_RUN)), "frame_list")
    firsts, counts = runs["first"], runs["count"].astype(np.uint64)
    total = int(counts.sum())
    if total > most:
        raise RecordError("frame_list: too many frames", expected=f"at most {most}", got=total)
    if not counts.all() or bool((firsts[1:] == firsts[:-1] + counts[:-1]).any()):
        raise RecordError("frame_list: a run is empty, or two runs could be one")
    return tuple(
        frame
        for first, count in zip(firsts.tolist(), counts.tolist(), strict=True)
        for frame in range(first, first + count)
    )


def _runs(octets: bytes, dtype: np.dtype[np.void], what: str) -> NDArray[np.void]:
    if len(octets) % dtype.itemsize:
        raise RecordError(f"{what}: cut runs", expected=f"a multiple of {dtype.itemsize} octets", got=len(octets))
    return np.frombuffer(octets, dtype=dtype)
