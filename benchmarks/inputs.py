"""The memory of a guest, made from a seed with a real guest's mix (PERF: 31 % zero pages in runs, 21 % incompressible).

The rest is text and tables; ``zstd -1`` packs the whole to between 0.33 and 0.40.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGE: Final = 4096
STEP: Final = 1024
"""Pages that are made at once."""
ZERO, RANDOM, TEXT, TABLE = range(4)
SHARES: Final = (0.31, 0.21, 0.29, 0.19)
RUNS: Final = (500, 60, 40, 40)
"""Mean length of a run of pages of each kind."""
WORDS: Final = 1 << 12


def kinds(pages: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """The kind of each page, u8[pages], in runs."""
    found = np.empty(pages, np.uint8)
    weights = np.array(SHARES) / np.array(RUNS)
    done = 0
    while done < pages:
        kind = generator.choice(4, p=weights / weights.sum())
        length = int(generator.geometric(1 / RUNS[kind]))
        found[done : done + length] = kind
        done += length
    return found


def scattered(pages: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """The kind of each page, each drawn for itself: the worst that a reader of runs can meet."""
    return generator.choice(4, size=pages, p=SHARES).astype(np.uint8)


def _vocabulary(generator: np.random.Generator) -> NDArray[np.uint64]:
    """Words of eight letters and spaces, u64[WORDS]."""
    letters = generator.integers(ord("a"), ord("z") + 1, (WORDS, 8), dtype=np.uint8)
    lengths = generator.integers(2, 8, (WORDS, 1))
    letters[np.arange(8) >= lengths] = ord(" ")
    return letters.view("<u8")[:, 0]


def pages_of(kinds_of: NDArray[np.uint8], generator: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """The pages themselves, up to ``STEP`` at a time: u8[n, 4096]."""
    words = _vocabulary(generator)
    for start in range(0, len(kinds_of), STEP):
        chosen = kinds_of[start : start + STEP]
        made = np.zeros((len(chosen), PAGE // 8), np.uint64)
        for kind, make in ((RANDOM, _random), (TEXT, _text), (TABLE, _table)):
            count = int((chosen == kind).sum())
            if count:
                made[chosen == kind] = make(count, words, generator)
        yield made.view(np.uint8)


def _random(count: int, words: NDArray[np.uint64], generator: np.random.Generator) -> NDArray[np.uint64]:
    return generator.integers(0, 1 << 64, (count, PAGE // 8), dtype=np.uint64)


def _text(count: int, words: NDArray[np.uint64], generator: np.random.Generator) -> NDArray[np.uint64]:
    skewed = generator.random((count, PAGE // 8)) ** 3
    return words[(skewed * WORDS).astype(np.uint16)]


def _table(count: int, words: NDArray[np.uint64], generator: np.random.Generator) -> NDArray[np.uint64]:
    """Half of the words small numbers, the other half pointers into one region."""
    small = generator.integers(0, 40, (count, PAGE // 8), dtype=np.uint64)
    pointers = np.uint64(0xFFFF_8880_0000_0000) + (generator.integers(0, 1 << 14, small.shape, dtype=np.uint64) << 6)
    return np.where(generator.random(small.shape) < 0.2, pointers, small)


def make_ram(path: Path, mib: int, seed: int, *, fragmented: bool = False) -> None:
    """Write the memory of a guest of ``mib`` MiB, octet 0 first; zero pages are holes."""
    generator = np.random.default_rng(seed)
    pages = mib << 8
    found = scattered(pages, generator) if fragmented else kinds(pages, generator)
    with path.open("wb") as file:
        for rows in pages_of(found, generator):
            for run in np.split(rows, np.flatnonzero(np.diff(rows.any(axis=1))) + 1):
                if run[0].any():
                    file.write(run.data)
                else:
                    file.seek(run.nbytes, 1)
        file.truncate(mib << 20)
