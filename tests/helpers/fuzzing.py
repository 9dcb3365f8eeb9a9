"""A small structure-blind fuzzer: mutates good inputs with a seeded generator until its time is over."""

from __future__ import annotations

import contextlib
import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from domctx.errors import DomctxError, PluginError

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 63, (1 << 64) - 1)


def mutations(seeds: Sequence[bytes], seconds: float, seed: int = 1) -> Iterator[bytes]:
    """Mutated copies of ``seeds`` for ``seconds``; the same run for the same seed, but for its length."""
    generator = random.Random(seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        octets = bytearray(generator.choice(seeds))
        for _ in range(generator.choice((1, 1, 1, 2, 4, 16))):
            mutate(octets, generator)
        yield bytes(octets)


def mutate(octets: bytearray, generator: random.Random) -> None:
    """One change: a bit, an octet, a number of 2, 4 or 8 octets, a cut, a stretch doubled, removed or zeroed."""
    at = generator.randrange(len(octets) + 1)
    length = generator.choice((1, 2, 4, 8, 16, 64, 4096))
    match generator.randrange(8):
        case 0 if at < len(octets):
            octets[at] ^= 1 << generator.randrange(8)
        case 1 if at < len(octets):
            octets[at] = generator.randrange(256)
        case 2 | 3:
            width = generator.choice((2, 4, 8))
            number = generator.choice(INTERESTING) & ((1 << 8 * width) - 1)
            octets[at : at + width] = number.to_bytes(width, generator.choice(("little", "big")))
        case 4:
            del octets[at:]
        case 5:
            octets[at:at] = octets[at : at + length]
        case 6:
            del octets[at : at + length]
        case _:
            octets[at : at + length] = bytes(len(octets[at : at + length]))


def survives(target: Callable[[bytes], object], octets: bytes) -> bool:
    """Whether the target accepted the input; a refusal is a DomctxError, everything else is a failure of the target."""
    try:
        target(octets)
    except PluginError as error:
        raise AssertionError(f"a plugin failed on {octets[:64].hex()}... ({len(octets)} octets)") from error
    except DomctxError:
        return False
    return True


@contextlib.contextmanager
def bounded(limit: int) -> Iterator[None]:
    """The process stays below ``limit`` octets while the block runs, whatever ran in it before (proc(5))."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    yield
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    assert int(line.split()[1]) << 10 < limit
