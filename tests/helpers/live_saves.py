"""``domctx save`` of a real QEMU in a process of its own, held in the middle of its memory."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from helpers.real_qemu import BARE, RealQemu

TICKS: Final = 0x46C
"""Where the BIOS counts the ticks of its timer."""
FILLED: Final = 64 << 20
"""Octets of the guest's memory that nothing can be left out of."""
FILLED_AT: Final = 16 << 20

LIMITED: Final = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 17, 1 << 17))
from domctx.cli.run import run
sys.exit(run(sys.argv[1:]))
"""
"""A disk that is full after 128 KiB."""


def machine(folder: Path, *args: str) -> RealQemu:
    """A machine that runs its BIOS, with octets in its memory that look like chance."""
    content = folder / "content"
    content.write_bytes(random.Random(FILLED).randbytes(FILLED))
    loader = f"loader,file={content},addr=0x{FILLED_AT:x},force-raw=on"
    return RealQemu(*BARE, *(args or ("-machine", "pc", "-m", "96")), "-device", loader)


def command(qemu: RealQemu, goal: str | Path, *options: str) -> list[str]:
    """The command line of a save."""
    return [sys.executable, "-m", "domctx.cli.main", "save", *options, f"qmp:{qemu.socket}", str(goal)]


@contextmanager
def held(qemu: RealQemu, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A save to a pipe that nobody reads any further: the guest stands, and its stream is under way."""
    process = subprocess.Popen(
        command(qemu, "-", "-O", "compression=none", *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        got = 0
        while got < 1 << 14:
            piece = os.read(process.stdout.fileno(), 1 << 10)
            assert piece, process.communicate()
            got += len(piece)
        yield process
    finally:
        process.kill()
        process.communicate()


def limited(qemu: RealQemu, goal: Path) -> subprocess.CompletedProcess[str]:
    """A save to a disk that is full early."""
    line = [sys.executable, "-c", LIMITED, "save", f"qmp:{qemu.socket}", str(goal)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)


def ticks(qemu: RealQemu) -> int:
    """How often the guest's timer has ticked."""
    return int.from_bytes(qemu.memory(TICKS, 4), "little")
