"""How cost grows with a guest's memory: ``python -m benchmarks.growth`` draws ``docs/growth.svg``.

Whole processes over libxc streams of 256 MiB and more; each size is measured ``--runs`` times, the median is drawn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks import inputs
from benchmarks.bench import SEED, Bench
from benchmarks.measure import Process, Run
from benchmarks.report import PAGE, RESULTS
from benchmarks.xen_streams import write_pages

SIZES: Final = (256, 512, 1024, 2048, 4096, 8192)
COLOURS: Final = ("#1f6f8b", "#c2571a", "#4d7c2a")
WIDTH, HEIGHT, MARGIN = 640, 400, 60

Curves = Mapping[str, Sequence[tuple[int, float]]]


def stream(bench: Bench, mib: int) -> Path:
    """A libxc stream of that size, made from the seed without a file of the memory itself."""

    def make(path: Path) -> None:
        generator = np.random.default_rng(SEED)
        pages = inputs.pages_of(inputs.kinds(mib << 8, generator), generator)
        write_pages((rows.data for rows in pages), path)

    return bench.made(f"growth-{mib}.xen", make)


def commands(bench: Bench, mib: int) -> dict[str, Process]:
    """What is measured at one size; in this order, for one makes what the next reads."""
    source, image, again = stream(bench, mib), bench.out("growth.dctx"), bench.out("growth.xen")
    return {
        "convert to an image": bench.domctx("convert", source, image, before=bench.goal("growth.dctx")),
        "verify the image": bench.domctx("verify", image),
        "convert it back": bench.domctx("convert", image, f"xen:{again}", before=bench.goal("growth.xen")),
    }


def measured(bench: Bench, sizes: Sequence[int], runs: int) -> dict[str, list[dict[str, float]]]:
    """Seconds of wall and CPU time, and the peak, for each command and size."""
    found: dict[str, list[dict[str, float]]] = {}
    for mib in sizes:
        for name, process in commands(bench, mib).items():
            taken = [process() for _ in range(runs)]
            middle = _median(taken)
            found.setdefault(name, []).append(
                {"MiB": mib, "wall": middle(lambda run: run.wall), "cpu": middle(lambda run: run.cpu),
                 "peak MiB": middle(lambda run: run.peak / (1 << 20))}
            )  # fmt: skip
            print(name, found[name][-1], flush=True)
        stream(bench, mib).unlink()
    return found


def _median(runs: Sequence[Run]) -> Callable[[Callable[[Run], float]], float]:
    return lambda figure: round(float(statistics.median(map(figure, runs))), 3)


def drawn(curves: Curves) -> str:
    """The curves as SVG: MiB to the right, seconds of CPU time upwards."""
    most = max(mib for points in curves.values() for mib, _ in points)
    longest = max(seconds for points in curves.values() for _, seconds in points)

    def place(mib: float, seconds: float) -> tuple[float, float]:
        return (MARGIN + mib / most * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - seconds / longest * (HEIGHT - 2 * MARGIN))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        "<style>text { font-size: 12px }</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{MARGIN}" y="{MARGIN - 30}">seconds of CPU time by the MiB of a guest</text>',
    ]
    for mib in sorted({mib for points in curves.values() for mib, _ in points}):
        x, y = place(mib, 0)
        parts.append(f'<text x="{x:.0f}" y="{y + 18:.0f}" text-anchor="middle">{mib}</text>')
    for share in (0.25, 0.5, 0.75, 1.0):
        x, y = place(0, share * longest)
        parts.append(f'<path d="M{x:.0f} {y:.0f}H{WIDTH - MARGIN}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 6:.0f}" y="{y + 4:.0f}" text-anchor="end">{share * longest:.1f}</text>')
    for row, ((name, points), colour) in enumerate(zip(curves.items(), COLOURS, strict=False)):
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{MARGIN + 12}" y="{MARGIN + 4 + 16 * row}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main(arguments: list[str]) -> int:
    """Measure, keep the figures, draw them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--folder", default="/var/tmp/domctx-benchmarks")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    given = parser.parse_args(arguments)
    folder = Path(given.folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    found = measured(Bench(folder, 1024, given.runs), given.sizes, given.runs)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "growth.json").write_text(json.dumps(found, indent=2) + "\n")
    curves = {name: [(int(point["MiB"]), point["cpu"]) for point in points] for name, points in found.items()}
    (PAGE.parent / "growth.svg").write_text(drawn(curves))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
