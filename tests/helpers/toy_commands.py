"""Command lines over toys, run in this process with their plugins and no others, which must exit as expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from domctx import discovery
from domctx.api import StateKey
from domctx.cli.run import run
from domctx.discovery import EntryPoint
from helpers.toy_images import states
from helpers.toy_machines import MACHINE, to_json

TOYS = EntryPoint("domctx", "toys", "helpers.toys", "1.5")
VENDOR = EntryPoint("acme", "toys", "helpers.toy_vendor", "1.0")


@attrs.frozen
class Said:
    """What a command line wrote to standard output and to standard error."""

    octets: bytes
    err: str

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.octets.decode()


class Commands:
    """Runs command lines; files are in one folder."""

    def __init__(self, capture: pytest.CaptureFixture[bytes], folder: Path) -> None:
        self._capture = capture
        self._folder = folder

    def __call__(self, *arguments: str | Path, code: int = 0) -> Said:
        """Run one, which must exit with ``code``."""
        self._capture.readouterr()
        found = run([str(argument) for argument in arguments])
        captured = self._capture.readouterr()
        assert found == code, captured.err
        return Said(captured.out, captured.err.decode())

    def refused(self, code: int, *arguments: str | Path) -> str:
        """Run one that must fail with ``code`` and print nothing; what it complained of."""
        said = self(*arguments, code=code)
        assert said.octets == b""
        return said.err

    def machine(self, name: str = "m", held: Mapping[StateKey[Any], Any] | None = None) -> str:
        """The reference of a new toy machine in the file ``name``."""
        path = self._folder / name
        path.write_bytes(to_json(MACHINE, states() if held is None else held))
        return f"toy:{path}"

    def image(self, name: str = "a.dctx", held: Mapping[StateKey[Any], Any] | None = None) -> Path:
        """A new image of a toy machine that holds these states."""
        machine = self.machine(f"{name}.json", held)
        self("-q", "save", "--force", machine, self._folder / name)
        for left in (f"{name}.json", f"{name}.json.log"):
            (self._folder / left).unlink()
        return self._folder / name

    def log(self, name: str = "m") -> list[str]:
        """What happened to the toy machine in the file ``name``."""
        path = self._folder / f"{name}.log"
        return path.read_text().split() if path.exists() else []

    def files(self) -> list[str]:
        """The names of all files in the folder, logs left out."""
        return sorted(path.name for path in self._folder.iterdir() if path.suffix != ".log")


def over_toys(folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes]) -> Commands:
    """Commands for which the toys' plugins are the only ones that there are."""
    patch.setattr(discovery, "entry_points", lambda paths: [TOYS, VENDOR])
    patch.delenv("DOMCTX_DISABLE_PLUGINS", raising=False)
    return Commands(capture, folder)


def redirect(patch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """What makes a file standard input."""
    return lambda path: patch.setattr("sys.stdin", path.open())
