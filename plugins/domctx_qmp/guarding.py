"""The saver's side of the guardian: starts it early, lets nothing begin before it is ready, releases it in the end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

from domctx.errors import DomainError
from domctx_qmp import guardian

START: Final = 20.0
"""Seconds in which the guardian starts."""
END: Final = 2.0
"""Seconds in which it ends when it is released; nobody waits longer."""


class Guard:
    """A guardian that starts, beside what else there is to do. Raises DomainError where that is not possible."""

    def __init__(self, path: str) -> None:
        line = [sys.executable, "-I", "-S", guardian.__file__, path]
        try:
            self._process = subprocess.Popen(
                line,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise self._failed(error.strerror) from error

    def ready(self) -> None:
        """Wait until it ignores signals and reads its pipe: nothing is changed before. Raises DomainError."""
        answer = self._process.stdout
        assert answer is not None
        poll = select.poll()
        poll.register(answer, select.POLLIN)
        if not poll.poll(START * 1000) or os.read(answer.fileno(), len(guardian.READY)) != guardian.READY:
            self._process.kill()
            raise self._failed("it does not start")

    def tell(self, changed: Mapping[str, Any]) -> None:
        """What is to be undone from now on, and whether the guest is to run: see ``guardian.give_back``."""
        self._write(json.dumps(changed))

    def release(self) -> None:
        """There is nothing left to do; the guardian ends."""
        self._write(json.dumps(guardian.RELEASED))
        self._let_go()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END)

    def leave(self) -> None:
        """Let go without a word: the guardian does what is left to do, and only a thread waits for its end."""
        self._let_go()
        with contextlib.suppress(RuntimeError):  # where none can be started, the system waits when this process ends
            threading.Thread(target=self._process.wait, name="domctx-guard", daemon=True).start()

    def _let_go(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def _write(self, text: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # killed, or let go
            self._process.stdin.write(text.encode() + b"\n")

    def _failed(self, why: str | None) -> DomainError:
        return DomainError(
            "the process that would give the guest back cannot be started", got=why, hint="the guest was not stopped"
        )
