"""Programs run on a terminal of their own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Sequence


def on_terminal(command: Sequence[str], answer: str) -> str:
    """What a program says on a terminal where that answer is given."""
    ours, its = pty.openpty()
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its)
    os.close(its)
    os.write(ours, answer.encode())
    said = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # EIO: the other side is closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    process.wait(60)
    return said.decode()
