"""A QEMU that domctx started and left behind: found by what domctx said, looked into, and always ended."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
from pathlib import Path

from qemu.qmp import QMPClient

from helpers.real_qemu import PATIENCE, RealQemu

TOLD = re.compile(r"process (\d+); its monitor is (\S+)")


class AdoptedQemu(RealQemu):
    """The QEMU of a process id, by its monitor; ``with`` ends it."""

    def __init__(self, told: str) -> None:
        """``told`` is what ``domctx load --run`` printed."""
        super().__init__()
        found = TOLD.search(told)
        assert found is not None, told
        self._pid, self._control = int(found[1]), Path(found[2])

    def __enter__(self) -> AdoptedQemu:
        client = QMPClient("judge")
        self._run(client.connect(str(self._control)))
        self._client = client
        return self

    @property
    def pid(self) -> int:
        """The process id."""
        return self._pid

    def kill(self) -> None:
        """End the process at once, wait until it is no more, and remove its folder."""
        self._disconnect()
        with contextlib.suppress(ProcessLookupError):
            process = os.pidfd_open(self._pid)
            try:
                signal.pidfd_send_signal(process, signal.SIGKILL)
                select.select([process], [], [], PATIENCE)
            finally:
                os.close(process)
        shutil.rmtree(self._control.parent, ignore_errors=True)
