"""A real QEMU that holds a guest's memory: private, or shared with whoever opens its file; and its streams."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import tool


class Qemu:
    """A running QEMU and its QMP connection."""

    def __init__(self, process: subprocess.Popen[bytes], path: str) -> None:
        self.process = process
        self.path = path
        self.connect()

    def connect(self) -> None:
        """Connect, as soon as it listens. Raises RuntimeError where it has ended."""
        self.socket = socket.socket(socket.AF_UNIX)
        while self.socket.connect_ex(self.path):
            if self.process.poll() is not None:
                raise RuntimeError("QEMU did not start")
            time.sleep(0.01)
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self("qmp_capabilities")

    def __call__(self, command: str, **arguments: Any) -> Any:
        """Execute a command; events on the way are dropped."""
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        for line in self.file:
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]
        raise RuntimeError("QEMU is gone")

    def again(self) -> None:
        """Let it run for a moment, and stand again: it may be migrated once more then."""
        self("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self("cont")
        self("stop")

    def migrated(self) -> None:
        """Wait until a migration is over. Raises RuntimeError where it fails."""
        while (status := self("query-migrate").get("status")) != "completed":
            if status == "failed":
                raise RuntimeError("the migration failed")
            time.sleep(0.002)

    def release(self) -> None:
        """Close the connection, for another client."""
        self.file.close()
        self.socket.close()

    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def arguments(ram: Path, mib: int, *, shared: bool) -> list[str]:
    """The command line of a machine with that memory."""
    backend = f"memory-backend-file,id=pc.ram,size={mib}M,mem-path={ram},share={'on' if shared else 'off'}"
    return [
        tool("qemu-system-x86_64"),
        *("-machine", "pc,memory-backend=pc.ram"),
        *("-object", backend, "-m", f"{mib}M", "-nodefaults", "-display", "none", "-accel", "tcg"),
    ]


@contextlib.contextmanager
def running(ram: Path, mib: int, *, shared: bool = False, more: tuple[str, ...] = ()) -> Iterator[Qemu]:
    """A machine, stopped before its first instruction; killed in the end. Raises Missing."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/qmp"
        command = [*arguments(ram, mib, shared=shared), "-S", "-qmp", f"unix:{path},server=on,wait=off", *more]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            yield Qemu(process, path)
        finally:
            process.kill()
            process.wait()


def write_stream(ram: Path, mib: int, goal: Path) -> None:
    """Let QEMU write its stream to a file. Raises Missing."""
    with running(ram, mib) as qemu:
        qemu("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        qemu("migrate", uri=f"exec:cat > {goal}")
        qemu.migrated()
