"""Machines that are saved from one real QEMU and loaded into another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domctx.cli.run import run
from helpers.real_qemu import BARE, RealQemu

SMALL = (*BARE, "-machine", "pc", "-m", "16")
"""A small machine."""


def save(qemu: RealQemu, image: Path, *options: str) -> Path:
    """An image of a QEMU's machine."""
    assert run(["save", f"qmp:{qemu.socket}", str(image), *options]) == 0
    return image


def image_of(path: Path, *args: str, stopped: bool = False) -> Path:
    """An image of a machine that ran its BIOS, or ("stopped") never began to."""
    with RealQemu(*(args or SMALL), *(["-S"] if stopped else [])) as qemu:
        return save(qemu.start(), path)


@contextmanager
def waiting(*args: str) -> Iterator[RealQemu]:
    """A QEMU that waits for the state of such a machine."""
    with RealQemu(*(args or SMALL)) as qemu:
        yield qemu.start("defer")


def load(image: Path, qemu: RealQemu, *options: str) -> int:
    """Load an image into a QEMU that waits; the exit code."""
    return run(["load", str(image), f"qmp:{qemu.socket}", *options])
