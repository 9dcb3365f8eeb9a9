"""Builds the guest with gcc: no library, no file of anybody else's."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

SOURCE: Final = Path(__file__).parent / "source"
FLAGS: Final = (
    *("-m32", "-march=i486", "-mtune=generic", "-mgeneral-regs-only", "-O1", "-Wall", "-Wextra", "-Werror"),
    *("-ffreestanding", "-fno-pic", "-fno-pie", "-no-pie", "-fno-stack-protector", "-fcf-protection=none"),
    *("-fno-asynchronous-unwind-tables", "-nostdlib", "-static", "-Wl,--build-id=none"),
)


def build(goal: Path) -> Path:
    """The guest as an ELF file that multiboot loads (``-kernel``); skips where there is no gcc for x86."""
    if shutil.which("gcc") is None or platform.machine() not in ("x86_64", "i686"):
        pytest.skip("there is no gcc for x86 (the guest is built with it)")
    sources = sorted([*SOURCE.glob("*.c"), *SOURCE.glob("*.S")])
    script = SOURCE / "guest.ld"
    line = ["gcc", *FLAGS, f"-Wl,-T,{script}", "-o", str(goal), *map(str, sources)]
    made = subprocess.run(line, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return goal
