"""The command line as users run it: a process of its own, its streams as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PATIENCE = 300.0
"""Seconds after which it is taken to hang: a bound on a failing test, never a measure."""


def line(*arguments: str | Path) -> list[str]:
    """A command line of domctx."""
    return [sys.executable, "-m", "domctx.cli.main", *map(str, arguments)]


def domctx(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Run a command, which must end with this exit code."""
    found = subprocess.run(
        line(*arguments), stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
    )
    assert found.returncode == code, (found.args[2:], found.returncode, found.stderr.decode(errors="replace"))
    return found


def domctx_json(*arguments: str | Path) -> Any:
    """What a command prints with ``--json``."""
    return json.loads(domctx(*arguments, "--json").stdout)


def read_octets(file: str | Path, address: int, length: int, *options: str) -> bytes:
    """``domctx read --raw``."""
    return domctx("read", file, hex(address), str(length), "--raw", *options).stdout
