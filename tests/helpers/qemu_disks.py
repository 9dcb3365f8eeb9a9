"""Disk images for real QEMUs, made by qemu-img, and looked into by it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

MIB = 1 << 20


def qemu_img(*arguments: str | Path) -> str:
    """What qemu-img prints."""
    program = shutil.which("qemu-img")
    if program is None:
        pytest.skip("qemu-img is not installed")
    return subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def make_disk(path: Path, format: str = "qcow2", size: int = 8 * MIB, *, base: Path | None = None) -> Path:
    """A disk image; ``base`` is a qcow2 image that it is based on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    below = ["-b", str(base), "-F", "qcow2"] if base is not None else []
    qemu_img("create", "-q", "-f", format, *below, path, *([str(size)] if base is None else []))
    return path


def chain_of(path: Path) -> list[dict[str, Any]]:
    """What qemu-img tells of an image and of those that it is based on."""
    found: list[dict[str, Any]] = json.loads(qemu_img("info", "--output=json", "-U", "--backing-chain", path))
    return found
