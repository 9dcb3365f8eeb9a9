"""Images of memory in files, and a command line that has the memory plugin and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from domctx.api import Machine, StateKey
from domctx.cli.run import domctx
from domctx.cli.session import Session
from domctx.context import Operation
from domctx.discovery import BUNDLED, EntryPoint
from domctx.errors import DomctxError
from domctx.manager import Manager
from domctx.references import IMAGE_FORMAT
from domctx.registry import Registry
from domctx.save import save
from domctx.sinks import FileSink
from domctx.testing.domains import StatesDomain


def registry() -> Registry:
    """A registry with the memory plugin and our own images."""
    manager = Manager.load([EntryPoint(BUNDLED, "memory", "domctx_memory.plugin", "0")])
    return Registry.resolve(manager, [IMAGE_FORMAT])


class LiveDomain(StatesDomain):
    """A domain that counts how often it was paused and given back."""

    def __init__(self, machine: Machine, states: Mapping[StateKey[Any], Any]) -> None:
        super().__init__(machine, states)
        self.paused = self.given_back = 0

    def pause(self) -> None:
        """Count."""
        self.paused += 1

    def unpause(self) -> None:
        """Count."""
        self.given_back += 1


class MemorySession(Session):
    """A session with that registry; ``domains`` are opened by name instead of files."""

    def __init__(self, domains: Mapping[str, Any]) -> None:
        super().__init__()
        self._registry = registry()
        self._domains = domains

    def open(self, text: str, options: Sequence[str] = (), operation: Operation | None = None) -> Any:
        """A domain of the test's, or a file."""
        return self._domains[text] if text in self._domains else super().open(text, options, operation)


def run(*arguments: str | Path, domains: Mapping[str, Any] | None = None) -> Result:
    """Run a command line in this process; raises the DomctxError that it ends with."""
    session = MemorySession(domains or {})
    try:
        result = CliRunner().invoke(domctx, [str(argument) for argument in arguments], obj=session)
    finally:
        session.close()
    if isinstance(result.exception, DomctxError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def stdout_of(*arguments: str | Path) -> bytes:
    """What a command line, in a process of its own, writes to standard output."""
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from helpers.memory_cli import MemorySession, domctx\n"
        "domctx.main(sys.argv[1:], standalone_mode=False, obj=MemorySession({}))"
    )
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-c", program, str(tests), "-q", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def image_of(path: Path, machine: Machine, states: Mapping[StateKey[Any], Any], *given: str) -> Path:
    """An image file of the states."""
    with path.open("wb", buffering=0) as file:
        sink = FileSink(file.fileno(), str(path))
        save(StatesDomain(machine, states), sink, registry(), Operation(given))
        sink.close()
    return path
