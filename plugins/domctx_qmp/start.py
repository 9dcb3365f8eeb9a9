"""A QEMU that domctx starts for a loaded machine: in a session of its own, which outlives domctx."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from domctx.disk import refused
from domctx.errors import DomainError, DomctxError, UsageError
from domctx_qmp.command_line import again, words_of
from domctx_qmp.monitor import Monitor

PATIENCE: Final = 60.0
"""Seconds in which a started QEMU opens its monitor."""
PAUSE: Final = 0.005
"""Seconds between two looks for it."""
NOT_YET: Final = (FileNotFoundError, ConnectionRefusedError)
"""What one gets of a socket that is not there, or not listened at, yet."""
LAST_WORDS: Final = 2000
"""Octets that are told of what QEMU printed."""
LONGEST: Final = 90
"""Octets of a folder's name in which a socket has room for its own (unix(7): 108 in all)."""


class Started:
    """A QEMU that was started and waits; ``folder`` is private and holds its socket and what it prints."""

    def __init__(self, line: Sequence[str], folder: Path) -> None:
        """Start it. Raises DomainError where that is not possible, or it ends at once, with what it printed."""
        self.folder = folder
        self._log = folder / "log"
        try:
            with self._log.open("xb") as log:
                self._process = subprocess.Popen(
                    line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise refused(error, line[0]) from error
        try:
            self.monitor = self._connect(folder / "qmp")
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def last_words(self) -> str:
        """What it printed last, on one line."""
        try:
            octets = self._log.read_bytes()[-LAST_WORDS:]
        except OSError:
            return ""
        return "; ".join(octets.decode(errors="replace").split("\n")).strip("; ")

    def end(self) -> None:
        """End it, and leave nothing of it behind."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _connect(self, socket: Path) -> Monitor:
        """Wait for the socket. Raises DomainError where QEMU ends instead, or opens none."""
        last = time.monotonic() + PATIENCE
        while True:
            try:
                return Monitor(str(socket))
            except DomctxError as error:
                if self._process.poll() is not None:
                    words = self.last_words() or f"exit code {self._process.returncode}"
                    raise DomainError("QEMU did not start", got=words) from error
                if not isinstance(error.__cause__, NOT_YET) or time.monotonic() > last:
                    raise
            time.sleep(PAUSE)


def start(text: str | None, more: Sequence[str], *, trust: bool) -> Started:
    """Start QEMU with a command line that an image keeps, and ``more`` words behind it; never by a shell.

    Raises UsageError where there is none, it cannot be repeated, or nobody says that it is right.
    """
    words = words_of(text)
    folder = private_folder()
    try:
        line = again(words, more, str(folder / "qmp"))
        program = shutil.which(line[0])
        if program is None:
            raise UsageError("the image's command line names a program that is not here", got=line[0][:200])
        line[0] = os.path.abspath(program)
        agree(line, trust=trust)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Started(line, folder)


def agree(line: Sequence[str], *, trust: bool) -> None:
    """Show the command line on a terminal and ask. Raises UsageError where nobody is there, or the answer is no.

    That an image's digests are right tells that it is whole, not who made it: a command line may do anything.
    """
    if trust:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            "the image's command line was not agreed to",
            got=shlex.join(line)[:2000],
            hint="if you trust who made the image, pass --trust-command-line",
        )
    import click

    from domctx.cli.terminal import printable

    click.echo(f"The image says to start:\n  {printable(shlex.join(line))}", err=True)
    if not click.confirm("Start it?", default=False, err=True):
        raise UsageError("the image's command line was not agreed to")


def private_folder() -> Path:
    """A new folder that nobody else may look into, with a name that is short enough for sockets."""
    parent = tempfile.gettempdir()
    if len(os.fsencode(parent)) > LONGEST:
        parent = "/tmp"
    try:
        return Path(tempfile.mkdtemp(prefix="domctx-", dir=parent))
    except OSError as error:
        raise refused(error, parent) from error
