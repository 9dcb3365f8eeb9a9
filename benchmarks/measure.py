"""Whole processes, timed in turn: ours, the peer, ours, the peer; what counts is the median of the pairs' ratios."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import attrs

LEAN: Final = Path(__file__).with_name("lean.py")
ENVIRONMENT: Final = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    "PYTHONPATH": str(LEAN.parents[1]),
}
"""Commands find this package wherever they run, and modules that were compiled once stay compiled, as for a user."""


class Missing(Exception):
    """A peer, or a program that makes an input, is not installed; its text says which."""


def tool(name: str) -> str:
    """A program of the machine's. Raises Missing."""
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


@attrs.frozen
class Run:
    """One run: wall and CPU time in seconds, peak resident memory in octets (of the process that was started)."""

    wall: float
    cpu: float
    peak: int = 0


Runner = Callable[[], Run]
"""Does the work once."""


@attrs.frozen
class Process:
    """A command that is run as a whole process; its standard output goes to ``output``, or nowhere."""

    arguments: Sequence[str]
    output: Path | None = None
    before: Callable[[], None] | None = None
    """What is done before each run, untimed: caches warmed, an old goal removed."""

    def __call__(self) -> Run:
        """Run it. Raises RuntimeError where it fails, with what it complained of."""
        if self.before is not None:
            self.before()
        command = [sys.executable, "-I", "-S", str(LEAN), str(self.output or os.devnull), *self.arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(self.arguments)} exited with {done.returncode}: {done.stderr[:2000]}")
        return Run(*json.loads(done.stdout))


@attrs.frozen
class Pairs:
    """What pairs of runs gave."""

    ours: tuple[Run, ...]
    peer: tuple[Run, ...]

    def ratio(self, figure: str = "wall") -> float:
        """The median of the pairs' ratios, ours to the peer's."""
        both = zip(self.ours, self.peer, strict=True)
        pairs = [(getattr(one, figure), getattr(other, figure)) for one, other in both]
        return float(statistics.median(one / max(other, 1e-9) for one, other in pairs))

    def median(self, side: str, figure: str) -> float:
        """The median of a figure of one side."""
        return float(statistics.median(getattr(run, figure) for run in getattr(self, side)))


def in_turn(ours: Runner, peer: Runner, pairs: int) -> Pairs:
    """Run both so many times, in turn; each first of all once more, uncounted, so that caches are alike."""
    ours(), peer()
    runs = [(ours(), peer()) for _ in range(pairs)]
    return Pairs(tuple(one for one, _ in runs), tuple(other for _, other in runs))
