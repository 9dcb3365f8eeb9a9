"""Small real distributions: a module and a ``dist-info`` folder, as pip would leave them; and the CLI over them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

TYPE = """
import attrs
from domctx import RecordType, StateKey, Instances, hookimpl

class State:
    def __init__(self):
        self.octets = b""

def save(state, writer, context):
    writer.write(state.octets)

def load(state, run, context):
    for record in run:
        state.octets = bytes(record.rest())

def record_type(**changes):
    kind = RecordType(
        code=0x7fff0010, name="acme/thing", summary="a thing", state=StateKey("acme/thing"), save=save, load=load,
        new_state=lambda machine: State(),
    )
    return attrs.evolve(kind, **changes)
"""
"""The start of a plugin's module that has a record type."""

ONE_TYPE = f"""{TYPE}
@hookimpl
def domctx_record_types():
    return [record_type()]
"""


def module_name(distribution: str) -> str:
    """The module of a distribution."""
    return distribution.replace("-", "_")


def distribution(
    site: Path, name: str, source: str, *, version: str = "1.0", entries: Mapping[str, str] | None = None
) -> None:
    """Put a distribution into the folder ``site``: one module with ``source``, one entry point ``main``."""
    module = module_name(name)
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(textwrap.dedent(source))
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"{entry} = {target}" for entry, target in (entries or {"main": module}).items()]
    (info / "entry_points.txt").write_text("\n".join(["[console_scripts]", "x = y", "", "[domctx.v1]", *lines, ""]))


def domctx(
    *arguments: str | Path,
    site: Path | Iterable[Path] = (),
    disable: str | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    python: str | Path = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line in a process of its own, with ``site`` folders on its path."""
    sites = [site] if isinstance(site, Path) else list(site)
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sites)), **(environment or {})}
    variables.pop("DOMCTX_DISABLE_PLUGINS", None)
    if disable is not None:
        variables["DOMCTX_DISABLE_PLUGINS"] = disable
    command = [str(python), "-m", "domctx.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, env=variables, cwd=cwd, input=stdin, check=False, timeout=120)
