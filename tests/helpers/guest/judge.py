"""What must be true of the guest whenever it stands still: its pages, its disk, its serial port, its counters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .report import ADDRESS, MAGIC, SIZE, Report

Words = NDArray[np.uint32]
Read = Callable[[int, int], bytes]
"""Guest-physical address and length to octets."""

PAGE: Final = 4096
SECTOR: Final = 512
FIRST_SECTOR: Final = 8
STRIDE: Final = 37
BEHIND: Final = 64
TICKS_A_LINE: Final = 8
GREETING: Final = b"domctx guest\n"
MULTIPLIER, INCREMENT = 1664525, 1013904223


def _powers(count: int) -> tuple[Words, Words]:
    """Factors and sums with which the n-th word follows from the first, n from 1."""
    factor, total, factors, totals = 1, 0, [], []
    for _ in range(count):
        factor, total = factor * MULTIPLIER % 2**32, (total * MULTIPLIER + INCREMENT) % 2**32
        factors.append(factor)
        totals.append(total)
    return np.array(factors, np.uint32), np.array(totals, np.uint32)


def _random(first: Words, count: int) -> Words:
    """For each first word the ``count`` words behind it, as rows."""
    factors, totals = _powers(count)
    return first[:, None] * factors + totals


def page_contents(frames: Words, rounds: Words) -> Words:
    """What the pages hold after these rounds, as rows of words."""
    first = frames * np.uint32(0x9E3779B1) + rounds * np.uint32(0x85EBCA6B)
    head = np.stack([np.full_like(frames, 0x45474150), frames, rounds, ~rounds], axis=1)
    return np.concatenate([head, _random(first, PAGE // 4 - 4)], axis=1)


def sector_contents(requests: Words, sectors: Words) -> Words:
    """What these requests write into these sectors, as rows of words; the last word is the sum of the others."""
    head = np.stack([np.full_like(requests, 0x54434553), requests, sectors], axis=1)
    words = _random(requests * np.uint32(0x9E3779B1) + sectors, SECTOR // 4 - 4)
    rows = np.concatenate([head, words], axis=1)
    total = np.zeros_like(requests)
    for column in rows.T:
        total = total * np.uint32(31) + column
    return np.concatenate([rows, total[:, None]], axis=1)


def serial_text(octets: int) -> bytes:
    """The first octets that the guest writes to its serial port: the same ones at every start."""
    line = len(b"count 00000008\n")
    lines = max(0, octets - len(GREETING)) // line + 1
    text = GREETING + b"".join(b"count %08x\n" % (number * TICKS_A_LINE) for number in range(1, lines + 1))
    return text[:octets]


def read_report(read: Read) -> Report:
    """The guest's report, which must be there and tell of no trouble."""
    report = Report.decode(read(ADDRESS, SIZE))
    assert report.magic == MAGIC, report.magic
    assert report.ready, "the guest is not ready"
    assert report.whole, f"counters and their inverses do not fit: {report}"
    assert not report.errors, report.trouble
    return report


def check_pages(report: Report, read: Read) -> None:
    """Every page has the contents of its round; the one that was being filled has both, the new before the old."""
    frames = np.array(report.frames, np.uint32)
    order = np.arange(len(frames))
    rounds, next_page = divmod(report.step, report.page_count)
    done = np.where(order < next_page, rounds, rounds - 1)
    found = np.stack([np.frombuffer(read(int(frame) * PAGE, PAGE), "<u4") for frame in frames])
    expected = page_contents(frames, done.astype(np.uint32))
    known = (done >= 0) & (order != next_page)
    wrong = np.flatnonzero((found != expected).any(axis=1) & known)
    assert not wrong.size, f"pages {[hex(frame) for frame in frames[wrong]]} are wrong after step {report.step}"
    new = page_contents(frames[next_page : next_page + 1], np.array([rounds], np.uint32))[0]
    behind = np.argmin(np.append(found[next_page] == new, False))
    old = expected[next_page] if rounds else np.zeros(PAGE // 4, np.uint32)
    assert (found[next_page][behind:] == old[behind:]).all(), f"page {frames[next_page]:#x} is neither old nor new"


def _writes(request: int) -> bool:
    return request % 4 != 3 or request <= BEHIND


def check_disk(report: Report, disk: Path) -> None:
    """Every sector holds what the last completed request wrote; where one is under way, its data or the old."""
    assert 0 <= report.completed + len(report.under_way) - report.issued <= 1, report
    last, coming = np.full(report.sectors, -1), np.full(report.sectors, -1)
    for request in range(max([report.issued, *(number + 1 for number in report.under_way)])):
        if _writes(request):
            goal = coming if request in report.under_way else last
            goal[request * STRIDE % report.sectors] = request
    where = np.arange(report.sectors, dtype=np.uint32) + np.uint32(FIRST_SECTOR)
    with disk.open("rb") as file:
        file.seek(FIRST_SECTOR * SECTOR)
        found = np.frombuffer(file.read(report.sectors * SECTOR), "<u4").reshape(report.sectors, -1)
    good = _holds(found, last, where) | ((coming >= 0) & _holds(found, coming, where))
    wrong = np.flatnonzero(~good)
    assert not wrong.size, f"sectors {where[wrong][:10]} hold neither what was nor what is being written"


def _holds(found: Words, requests: NDArray[np.int64], where: Words) -> NDArray[np.bool_]:
    """Which sectors hold what a request wrote into them; zeros where there was none (-1)."""
    expected = sector_contents(requests.astype(np.uint32), where)
    expected[requests < 0] = 0
    same: NDArray[np.bool_] = (found == expected).all(axis=1)
    return same


def check_serial(report: Report, text: bytes, first: int = 0) -> None:
    """``text`` is what the guest must have written from octet ``first`` until it made this report, and no more."""
    assert text == serial_text(first + len(text))[first:], f"the serial port's text goes wrong: {text[:200]!r}"
    assert first + len(text) - report.octets in (0, 1), (first, len(text), report.octets)


def check_counts_on(before: Report, after: Report) -> None:
    """Nothing that is counted went back, and every timer and the disk went on."""
    assert after.vcpus == before.vcpus
    assert after.frames == before.frames
    assert all(now > then for then, now in zip(before.ticks, after.ticks, strict=True)), (before, after)
    assert after.octets >= before.octets
    assert after.step > before.step
    assert after.checks > before.checks
    assert not before.disk or after.completed > before.completed, (before, after)
