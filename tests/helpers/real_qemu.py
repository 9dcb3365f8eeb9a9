"""A real QEMU under QMP: started, saved, loaded, looked into, and always ended; the judge of what is written."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

import pytest
from qemu.qmp import QMPClient
from qemu.qmp.protocol import ConnectError

T = TypeVar("T")

BINARY: Final = "qemu-system-x86_64"
PATIENCE: Final = 120.0
"""Seconds after which QEMU is taken to hang: a bound on a failing test, never a measure."""
BARE: Final = ("-display", "none", "-nodefaults", "-accel", "tcg")
"""What a test machine usually begins with."""
LITTLE: Final = 4096


def narrow(descriptor: int) -> int:
    """Let a pipe or a socket hold next to nothing, so that a migration stands in its first pages if nobody reads.

    Where it got to its last ones QEMU would have its lock, and answer nobody any more.
    """
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        with socket.socket(fileno=os.dup(descriptor)) as end:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LITTLE)
    else:
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, LITTLE)
    return descriptor


class RealQemu:
    """One QEMU process: ``with RealQemu(*BARE, "-machine", "pc", "-m", "16") as qemu: qemu.start()``.

    ``args`` are its arguments; two QMP sockets are added: ``socket`` is free for what is tested, since a socket
    serves one client at a time, and the other is this object's own. ``folder`` is short, private, and removed.
    """

    def __init__(self, *args: str, binary: str = BINARY) -> None:
        found = shutil.which(binary)
        if found is None:
            pytest.skip(f"{binary} is not installed")
        self.args = args
        self.folder = Path(tempfile.mkdtemp(prefix="qemu-"))
        self.socket = self.folder / "qmp"
        self.process: subprocess.Popen[bytes] | None = None
        self._binary: str = found
        self._control = self.folder / "control"
        self._loop = asyncio.new_event_loop()
        self._client: QMPClient | None = None

    def __enter__(self) -> RealQemu:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def stderr(self) -> str:
        """What QEMU printed on standard error until now."""
        path = self.folder / "stderr"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def command_line(self) -> list[str]:
        """The whole command line, without ``-incoming``."""
        sockets = [part for path in (self._control, self.socket) for part in ("-qmp", f"unix:{path},server,nowait")]
        return [self._binary, *self.args, *sockets]

    def start(self, incoming: str | Path | None = None) -> RealQemu:
        """Start the process: ``incoming`` is ``"defer"``, a URI, or a Path whose stream is loaded (see ``load``)."""
        deferred = "defer" if isinstance(incoming, Path) else incoming
        line = self.command_line + (["-incoming", deferred] if deferred else [])
        with (self.folder / "stderr").open("wb") as stderr:
            self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
        self._connect()
        if isinstance(incoming, Path):
            self.load(incoming)
        return self

    def _connect(self) -> None:
        """Wait for the socket. Raises AssertionError, with what QEMU printed, where it ends instead."""
        last = time.monotonic() + PATIENCE
        while True:
            assert self.process is not None
            assert self.process.poll() is None, f"QEMU ended with {self.process.returncode}: {self.stderr}"
            client = QMPClient("judge")
            try:
                self._run(client.connect(str(self._control)))
            except ConnectError:
                assert time.monotonic() < last, f"QEMU opens no socket: {self.stderr}"
                time.sleep(0.01)
            else:
                self._client = client
                return

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(asyncio.wait_for(work, PATIENCE))

    def qmp(self, command: str, /, **arguments: Any) -> Any:
        """Run a QMP command and wait for its answer; ``_`` in names of arguments stands for ``-``.

        Raises qemu.qmp.ExecuteError for an error.
        """
        assert self._client is not None
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        return self._run(self._client.execute(command, named))

    def hmp(self, text: str) -> str:
        """Run a command of the human monitor; what it printed."""
        found: str = self.qmp("human-monitor-command", command_line=text)
        return found

    def give(self, descriptor: int, name: str = "stream") -> str:
        """Hand over a descriptor; the URI under which ``migrate`` and ``migrate-incoming`` find it."""
        assert self._client is not None
        client = self._client

        async def send() -> None:
            client.send_fd_scm(descriptor)
            await client.execute("getfd", {"fdname": name})

        self._run(send())
        return f"fd:{name}"

    def save(self, goal: Path) -> Path:
        """``migrate`` into a file, and wait until it is whole; the machine is then in ``postmigrate``."""
        descriptor = os.open(goal, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            uri = self.give(descriptor)
        finally:
            os.close(descriptor)
        self.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.qmp("migrate", uri=uri)
        self.wait_migration("completed")
        return goal

    def load(self, source: Path) -> None:
        """``migrate-incoming`` from a file, started with ``incoming="defer"``, and wait until it is loaded.

        Raises AssertionError, with what QEMU printed, where it refuses: it then ends.
        """
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            uri = self.give(descriptor, "incoming")
        finally:
            os.close(descriptor)
        self.qmp("migrate-incoming", uri=uri)
        self.wait_migration("completed")

    def status(self) -> str:
        """The run state: ``running``, ``paused``, ``prelaunch``, ``postmigrate``, ``inmigrate``, ..."""
        found: str = self.qmp("query-status")["status"]
        return found

    def wait_status(self, *wanted: str) -> str:
        """Wait until the run state is one of ``wanted``; which one."""
        return self._wait("run state", wanted, self.status)

    def wait_migration(self, *wanted: str) -> str:
        """Wait until the migration, out or in, is in one of ``wanted`` states; which one."""
        return self._wait("migration", (*wanted, "failed", "cancelled"), self._migration, wanted)

    def _migration(self) -> str:
        found: str = self.qmp("query-migrate").get("status", "none")
        return found

    def _wait(self, what: str, ends: tuple[str, ...], look: Any, wanted: tuple[str, ...] = ()) -> str:
        last = time.monotonic() + PATIENCE
        while True:
            try:
                found: str = look()
            except Exception as error:
                self._reap()
                raise AssertionError(f"QEMU answers no more: {error}; it printed: {self.stderr}") from error
            if found in ends:
                assert not wanted or found in wanted, f"{what} is {found}; QEMU printed: {self.stderr}"
                return found
            assert time.monotonic() < last, f"{what} stays {found}, not {ends}; QEMU printed: {self.stderr}"
            time.sleep(0.005)

    def memory(self, address: int, size: int) -> bytes:
        """Guest-physical memory, as ``pmemsave`` writes it."""
        path = self.folder / "pmem"
        self.qmp("pmemsave", val=address, size=size, filename=str(path))
        found = path.read_bytes()
        path.unlink()
        return found

    def wait_written(self, address: int, size: int) -> None:
        """Wait until the guest has written anything but zeros there, so that lost memory shows."""
        self._wait("memory", ("written",), lambda: "written" if any(self.memory(address, size)) else "zeros")

    def registers(self) -> str:
        """What ``info registers -a`` prints."""
        return self.hmp("info registers -a")

    def stop(self) -> None:
        """Ask QEMU to quit and wait for its end."""
        with contextlib.suppress(Exception):
            self.qmp("quit")
        self._disconnect()
        self._reap()

    def ended(self) -> None:
        """Wait until the process has ended by itself. Raises AssertionError where it does not."""
        self._disconnect()
        self._reap()
        assert self.process is not None
        assert self.process.returncode is not None, "QEMU goes on"

    def kill(self) -> None:
        """End the process at once, whatever it does; nothing where it is no more."""
        self._disconnect()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        self._reap()

    def _reap(self) -> None:
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                self._run(client.disconnect())
