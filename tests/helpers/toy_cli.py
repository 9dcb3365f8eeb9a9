"""The command line over toys alone: a site whose ``domctx`` has the toys for its bundled plugins."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from domctx.api import StateKey
from domctx.cli.run import run
from helpers.toy_images import vendor_states
from helpers.toy_machines import MACHINE, to_json

TESTS = Path(__file__).resolve().parents[1]


def distribution(site: Path, name: str, version: str, **entries: str) -> None:
    """A distribution in the folder ``site``: entry points, and nothing else."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = [f"{entry} = {target}" for entry, target in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[domctx.v1]", *lines, ""]))


@attrs.define
class Ran:
    """What a command line printed, and its exit code."""

    code: int
    out: str
    err: str


@attrs.define
class Cli:
    """Runs command lines in a folder of its own."""

    folder: Path
    capture: Any
    patch: pytest.MonkeyPatch

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> Ran:
        """Run one, in this process; ``stdin`` is what a pipe gives it."""
        self.capture.readouterr()
        with self._piped(stdin):
            code = run(list(arguments))
        printed = self.capture.readouterr()
        return Ran(code, printed.out, printed.err)

    @contextmanager
    def _piped(self, octets: bytes | None) -> Iterator[None]:
        """Let standard input be a pipe with these octets; without any it stays as it is."""
        if octets is None:
            yield
            return
        reading, writing = os.pipe()
        writer = threading.Thread(target=_feed, args=(writing, octets))
        writer.start()
        with os.fdopen(reading, "r") as file:
            self.patch.setattr(sys, "stdin", file)
            yield
        writer.join()

    def process(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run one in a process of its own."""
        command = [sys.executable, "-m", "domctx.cli.main", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, env=environment(self.folder), check=False)

    def machine(self, name: str = "m.toy", states: Mapping[StateKey[Any], Any] | None = None) -> str:
        """A toy machine in a file; its path."""
        path = self.folder / name
        path.write_bytes(to_json(MACHINE, vendor_states() if states is None else states))
        return str(path)

    def file(self, name: str, octets: bytes) -> str:
        """A file; its path."""
        path = self.folder / name
        path.write_bytes(octets)
        return str(path)

    def path(self, name: str) -> Path:
        """Where a file would be."""
        return self.folder / name

    def names(self) -> list[str]:
        """Everything in the folder but logs."""
        return sorted(name for name in os.listdir(self.folder) if not name.endswith(".log") and name != "site")

    def log(self, name: str = "m.toy") -> list[str]:
        """What happened to a toy machine."""
        path = self.folder / f"{name}.log"
        return path.read_text().split() if path.exists() else []


def _feed(writing: int, octets: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(writing, "wb") as file:
        file.write(octets)


def make_site(folder: Path, *, vendor: bool = True) -> str:
    """Make the site; its path."""
    site = folder / "site"
    distribution(site, "domctx", "9.9", toys="helpers.toys")
    if vendor:
        distribution(site, "acme", "1.5", toys="helpers.toy_vendor")
    return str(site)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a process needs to find the toys."""
    return {**os.environ, "PYTHONPATH": f"{folder / 'site'}:{TESTS}", **more}


def cli_of(folder: Path, capture: Any, patch: pytest.MonkeyPatch, *, vendor: bool = True) -> Cli:
    """A command line over toys, in this process."""
    patch.syspath_prepend(make_site(folder, vendor=vendor))
    patch.chdir(folder)
    assert isinstance(sys.stdout, io.TextIOBase)
    return Cli(folder, capture, patch)
