"""The guardian: a process of its own that gives a guest back when the process that stopped it is no more.

It is started before the guest is stopped, in a session of its own, with a pipe as standard input: each line is what
the saver has changed so far, as JSON, and the last one, ``"released"``, says that there is nothing left to do. A pipe
that closes without it means that the saver was killed: the guardian then connects to QEMU, ends a migration that still
runs, undoes what was changed, and continues the guest if it was found running.

Nothing but the standard library is imported, so that it starts soon: ``python -I -S guardian.py SOCKET``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from typing import Any, Final

RELEASED: Final = "released"
READY: Final = b"ready\n"
PATIENCE: Final = 60.0
"""Seconds in which it tries to give the guest back."""
ANSWER: Final = 20.0
"""Seconds in which QEMU answers one command."""
PAUSE: Final = 0.05
GONE: Final = 40
"""How often nobody may listen before QEMU is taken to be gone."""
MOVING: Final = frozenset(
    ("setup", "active", "pre-switchover", "device", "wait-unplug", "cancelling", "postcopy-active", "postcopy-paused")
)
"""States of a migration that is under way."""


class Link:
    """A connection to QEMU. Raises OSError, ValueError where there is none, or it is lost."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER)
        try:
            self._socket.connect(path)
            self._file = self._socket.makefile("rwb")
            self._line()
            self.execute("qmp_capabilities")
        except BaseException:
            self._socket.close()
            raise

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run a command; what it returned, None where QEMU refuses."""
        self._file.write(json.dumps({"execute": command, "arguments": arguments or {}}).encode() + b"\n")
        self._file.flush()
        while True:
            message = self._line()
            if "return" in message or "error" in message:
                return message.get("return")

    def _line(self) -> dict[str, Any]:
        line = self._file.readline()
        if not line:
            raise EOFError("QEMU closed the connection")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def give_back(link: Link, changed: dict[str, Any]) -> bool:
    """End a migration, undo what was ``changed``, continue the guest where it is to run; whether that is done.

    ``changed`` may have ``capabilities`` (as ``migrate-set-capabilities`` takes them), ``parameters``, ``fdsets``
    (their numbers), and ``running``: whether the guest is to run.
    """
    migration = link.execute("query-migrate") or {}
    if migration.get("status") in MOVING:
        link.execute("migrate_cancel")
        return False
    if changed.get("capabilities"):
        link.execute("migrate-set-capabilities", {"capabilities": changed["capabilities"]})
    if changed.get("parameters"):
        link.execute("migrate-set-parameters", changed["parameters"])
    for number in changed.get("fdsets", ()):
        link.execute("remove-fd", {"fdset-id": number})
    if not changed.get("running"):
        return True
    link.execute("cont")
    return bool((link.execute("query-status") or {}).get("running"))


def rescue(path: str, changed: dict[str, Any], patience: float = PATIENCE) -> bool:
    """Try to give the guest back until it is, or ``patience`` seconds are over; whether it is."""
    last = time.monotonic() + patience
    gone = 0
    while time.monotonic() < last and gone < GONE:
        try:
            link = Link(path)
            try:
                while time.monotonic() < last:
                    if give_back(link, changed):
                        return True
                    time.sleep(PAUSE)
            finally:
                link.close()
        except (FileNotFoundError, ConnectionRefusedError):  # QEMU is gone
            gone += 1
            time.sleep(PAUSE)
        except (OSError, ValueError, EOFError):  # a client is still connected, or QEMU is busy, or gone
            time.sleep(PAUSE)
    return False


def last_word(lines: list[bytes]) -> dict[str, Any] | None:
    """What the saver had changed at last; None where it released the guardian, or had not begun."""
    words = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return words[-1] if words and words[-1] != RELEASED else None


def main(arguments: list[str]) -> int:
    """Wait for the pipe to close, and do what is left to do."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.write(1, READY)
    changed = last_word(sys.stdin.buffer.readlines())
    return 0 if changed is None or rescue(arguments[0], changed) else 1


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # at once: who released it waits for its end, and nothing is left to be written
