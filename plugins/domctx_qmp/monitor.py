"""QEMU's monitor, spoken to synchronously: one connection, bounded waits, every failure a DomainError.

The QMP library is asynchronous: its loop runs on a thread of its own, so that a signal which ends a command does not
disturb a conversation, and the guest can still be given back over the same connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, TypeVar

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError, Runstate

from domctx.disk import refused
from domctx.errors import DomainError, DomctxError
from domctx.pool import start

T = TypeVar("T")

GREETING: Final = 5.0
"""Seconds in which QEMU greets a client; it greets none while another one is connected."""
PATIENCE: Final = 120.0
"""Seconds in which QEMU answers a command; ``stop`` waits for the disks."""
PAUSE: Final = 0.002
"""Seconds between two looks at what QEMU does."""
SPOKEN: Final = "name a socket of QEMU's -qmp, or of a -mon with mode=control and without pretty=on"
"""What to do where something else is spoken."""
UNKNOWN: Final = "CommandNotFound"
"""The class of QEMU's error for a command that it does not have."""
PEER: Final = struct.Struct("3i")
"""struct ucred: pid, uid, gid (unix(7), SO_PEERCRED)."""

logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())  # errors are raised, and told once


class Monitor:
    """One connection to the QMP socket ``path``. Raises DomainError where nobody there speaks QMP."""

    def __init__(self, path: str) -> None:
        self.name = f"qmp:{path}"
        self.path = path
        self.pid = 0
        """QEMU's process; 0 where that is not known, or runs elsewhere."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="domctx-qmp", daemon=True)
        self._client, self._listener = QMPClient("domctx"), EventListener()
        try:
            start(self._thread)
            self._connect()
            self._confirm()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def execute(
        self,
        command: str,
        arguments: Mapping[str, object] | None = None,
        *,
        descriptor: int | None = None,
        patience: float = PATIENCE,
    ) -> Any:
        """Run a command and wait for its answer; ``descriptor`` goes along with it.

        Raises DomainError with QEMU's own words where it refuses, and where it is gone or does not answer.
        """
        try:
            return self._wait(self._execute(command, arguments, descriptor), patience)
        except ExecuteError as error:
            raise DomainError(f"QEMU refuses {command!r}", file=self.name, got=str(error)) from error
        except TimeoutError as error:
            message = f"QEMU does not answer {command!r}"
            raise DomainError(message, file=self.name, expected=f"an answer within {patience:g} s") from error
        except (QMPError, OSError, EOFError) as error:
            raise DomainError(f"the connection to QEMU is lost, at {command!r}", file=self.name) from error

    def ask(self, command: str) -> Any:
        """What a command tells; None where this QEMU does not know it. Raises DomainError as ``execute``."""
        try:
            return self.execute(command)
        except DomainError as error:
            if isinstance(error.__cause__, ExecuteError) and error.__cause__.error_class == UNKNOWN:
                return None
            raise

    async def _execute(self, command: str, arguments: Mapping[str, object] | None, descriptor: int | None) -> object:
        if descriptor is not None:
            self._client.send_fd_scm(descriptor)
        return await self._client.execute(command, arguments)

    @property
    def is_lost(self) -> bool:
        """Whether there is no connection any more."""
        return self._client.runstate is not Runstate.RUNNING

    def reconnect(self) -> None:
        """Make the connection again. Raises DomainError where nobody there speaks QMP any more."""
        self._drop()
        self._client, self._listener = QMPClient("domctx"), EventListener()
        self._connect()

    @contextlib.contextmanager
    def understood(self) -> Iterator[None]:
        """Answers of another shape than QEMU's, taken apart in the block, are told as a DomainError."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = "what listens there does not answer as QEMU does"
            raise DomainError(message, file=self.name, got=repr(error)) from error

    def human(self, line: str) -> str:
        """Run a command of the human monitor; what it printed. Raises DomainError as ``execute``."""
        return str(self.execute("human-monitor-command", {"command-line": line}))

    def status(self) -> str:
        """The run state: ``running``, ``paused``, ``postmigrate``, ... Raises DomainError as ``execute``."""
        with self.understood():
            return str(self.execute("query-status")["status"])

    def events(self) -> list[dict[str, Any]]:
        """The events since this was last asked, in order; of them ``{"event": ..., "data": ...}``."""
        return [dict(message) for message in self._wait(self._events(), PATIENCE)]

    async def _events(self) -> list[Any]:
        return list(self._listener.clear())

    def wait_for(self, what: str, look: Callable[[], T | None], patience: float = PATIENCE) -> T:
        """Call ``look`` until it gives something. Raises DomainError where that takes too long."""
        last = time.monotonic() + patience
        while True:
            found = look()
            if found is not None:
                return found
            if time.monotonic() > last:
                raise DomainError(f"QEMU does not come to {what}", file=self.name, expected=f"within {patience:g} s")
            time.sleep(PAUSE)

    def close(self) -> None:
        """End the connection and the thread; nothing is told of either."""
        if self._loop.is_closed():
            return
        if self._thread.ident is not None:  # None where it could not be started
            self._drop()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(GREETING)
        if not self._thread.is_alive():
            self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T], patience: float) -> T:
        """Run ``work`` on the loop's thread and wait for it."""
        if self._loop.is_closed():
            work.close()
            raise EOFError("the connection is closed")
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, patience), self._loop).result()

    def _drop(self) -> None:
        with contextlib.suppress(Exception):
            self._wait(self._client.disconnect(), GREETING)

    def _confirm(self) -> None:
        """The process that opened the socket may be another one than QEMU: that has the threads of the vCPUs."""
        with contextlib.suppress(DomctxError), self.understood():
            if all(os.path.exists(f"/proc/{self.pid}/task/{row['thread-id']}") for row in self._cpus()):
                return
        self.pid = 0

    def _cpus(self) -> list[dict[str, Any]]:
        return list(self.execute("query-cpus-fast", patience=GREETING))

    def _connect(self) -> None:
        link = _socket_at(self.path, self.name)
        try:
            self.pid = PEER.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[0]
            self._wait(self._open(link), GREETING)
        except TimeoutError as error:
            link.close()
            raise DomainError(
                "QEMU does not greet",
                file=self.name,
                hint="a socket serves one client at a time: is another one connected, or QEMU itself stopped? It takes"
                " several -qmp",
            ) from error
        except (QMPError, OSError, EOFError, AssertionError) as error:  # the library asserts that nobody leaves at once
            link.close()
            message = "what listens there speaks no QMP"
            raise DomainError(message, file=self.name, got=str(error), hint=SPOKEN) from error

    async def _open(self, link: socket.socket) -> None:
        self._client.register_listener(self._listener)
        await self._client.connect(link)


def _socket_at(path: str, name: str) -> socket.socket:
    """A connected socket. Raises DomainError."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        link.connect(path)
    except OSError as error:
        link.close()
        raise _refused(error, name) from error
    link.setblocking(False)
    return link


NOBODY: Final = {
    errno.ENOENT: "start QEMU with -qmp unix:PATH,server=on,wait=off; a relative name counts from where you are",
    errno.EACCES: "only who may write to the socket may speak to QEMU: its user, usually, and the superuser",
    errno.ECONNREFUSED: "nobody listens there: has QEMU ended, or is this no socket?",
}
"""What to do where there is no connection."""


def _refused(error: OSError, name: str) -> DomctxError:
    if error.errno is None:  # a path that is too long for a socket
        return DomainError(str(error), file=name, hint=f"name it from nearer by, or link to it (now in {os.getcwd()})")
    found = refused(error, name)
    found.hint = NOBODY.get(error.errno, found.hint)
    return found
