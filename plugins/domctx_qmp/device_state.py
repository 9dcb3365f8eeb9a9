"""The state of the devices alone, without migrating: QEMU writes it into a file in memory, and nothing changes.

It is a stream without configuration, RAM and description: the sections that a migration of the standing guest would
have, octet for octet, but that ``globalstate`` says ``running`` (tried on 7.2).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Final

from domctx.errors import DomctxError
from domctx_qmp.migration import refuse_blocked
from domctx_qmp.monitor import Monitor

COMMAND: Final = "xen-save-devices-state"
HEADER_SIZE: Final = 8
"""Octets of magic and version."""
NUMBERS: Final = 1 << 30
"""Of fdsets: enough that none that QEMU has is met by chance."""
GLOBAL_STATE: Final = b"globalstate"
NAME_SIZE: Final = 100
"""Octets of the run state's name in ``globalstate``, zeros behind it; a u32, its length, stands before it."""


def device_state(monitor: Monitor, told: Callable[[int], None]) -> bytes:
    """The sections of all devices, and EOF: what follows the header. The guest must stand.

    ``told`` is told the number of the fdset that QEMU holds meanwhile, before it does. Raises DomainError where QEMU
    refuses it, or a migration.
    """
    refuse_blocked(monitor)
    descriptor = os.memfd_create("domctx-devices", os.MFD_CLOEXEC)
    try:
        number = int.from_bytes(os.urandom(4), "little") % NUMBERS
        told(number)
        try:
            _lend(monitor, descriptor, number)
            monitor.execute(COMMAND, {"filename": f"/dev/fdset/{number}", "live": False})
        finally:
            with contextlib.suppress(DomctxError):  # QEMU did not take it, or is not there any more
                monitor.execute("remove-fd", {"fdset-id": number})
        with open(f"/proc/self/fd/{descriptor}", "rb") as file:
            return file.read()[HEADER_SIZE:]
    finally:
        os.close(descriptor)


def _lend(monitor: Monitor, descriptor: int, number: int) -> None:
    """Let QEMU write to the file as a new fdset."""
    writing = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        monitor.execute("add-fd", {"fdset-id": number, "opaque": "domctx"}, descriptor=writing)
    finally:
        os.close(writing)


def with_run_state(sections: bytes, state: str) -> bytes:
    """The sections with ``globalstate`` saying ``state``, as a migration would have it."""
    place = sections.rfind(bytes((len(GLOBAL_STATE),)) + GLOBAL_STATE)
    if place < 0:
        return sections
    start = place + 1 + len(GLOBAL_STATE) + 8
    name = state.encode()
    body = (len(name) + 1).to_bytes(4, "big") + name.ljust(NAME_SIZE, b"\0")
    return sections[:start] + body + sections[start + len(body) :]
