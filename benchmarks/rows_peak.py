"""Rows about memory: how much of it our commands take, at 1 and at 4 GiB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from benchmarks.bench import Bench, Result, Row
from benchmarks.measure import Process

SIZES: Final = (1024, 4096)


def peak(command: Callable[[Bench, int], Process]) -> Callable[[Bench], Result]:
    """The larger of both peaks in MiB; the figures tell each."""

    def run(bench: Bench) -> Result:
        peaks = {size: command(bench, size)().peak / (1 << 20) for size in SIZES}
        ratio = peaks[SIZES[1]] / peaks[SIZES[0]]
        return Result(max(peaks.values()), {f"{size} MiB": round(each, 1) for size, each in peaks.items()} | {
            "ratio": round(ratio, 3)})  # fmt: skip

    return run


def _save(bench: Bench, size: int) -> Process:
    return bench.domctx("convert", bench.stream(size), bench.out("p.dctx"), before=bench.goal("p.dctx"))


def _load(bench: Bench, size: int) -> Process:
    return bench.domctx("convert", bench.image(size), f"qemu:{bench.out('p.mig')}", before=bench.goal("p.mig"))


def _verify(bench: Bench, size: int) -> Process:
    return bench.domctx("verify", bench.image(size))


def _extract(bench: Bench, size: int) -> Process:
    goal = bench.out("p.raw")
    return bench.domctx("extract", bench.stream(size), "memory", "-o", goal, before=bench.goal("p.raw"))


def _index(bench: Bench, size: int) -> Process:
    return bench.domctx("info", bench.stream(size))


ROWS: Final = (
    Row("peak-to-image", "peak of a stream into an image, MiB", "MiB", 96.0, 64.0, peak(_save)),
    Row("peak-from-image", "peak of an image into a stream, MiB", "MiB", 96.0, 64.0, peak(_load)),
    Row("peak-verify", "peak of verify, MiB", "MiB", 96.0, 64.0, peak(_verify)),
    Row("peak-extract", "peak of extract, MiB", "MiB", 96.0, 64.0, peak(_extract)),
    Row("peak-index", "peak of an index of a stream, MiB", "MiB", 128.0, 64.0, peak(_index)),
)
