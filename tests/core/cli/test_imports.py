"""What a command imports, and what it costs to start: nothing is loaded that is not used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from domctx.discovery import entry_points
from helpers import toys
from helpers.toy_cli import environment, make_site
from helpers.toy_images import SMALLEST, saved, toy_registry
from helpers.toy_machines import MACHINE, to_json

HEAVY = {"numpy", "rich", "zstd", "cbor2", "isal", "hypothesis", "importlib.metadata"}
"""What only those need who use it; zstd by either of its names."""
LIVE = {"asyncio", "ssl", "socket", "subprocess", "secrets"}
"""What only those need who speak to a live machine."""
PLUGINS = {"pluggy", "domctx.api", "domctx.manager", "domctx.registry", "domctx.hookspecs", "domctx.handlers"}
"""What only those need who use plugins."""

RUN = """
import sys
from domctx.cli.run import run
code = run(sys.argv[2:])
open(sys.argv[1], "w").write(" ".join(sys.modules))
sys.exit(code)
"""


def modules(folder: Path, *arguments: str, toys_only: bool = True) -> set[str]:
    """What a command line imported, by top-level packages too."""
    told = folder / "modules"
    env = environment(folder) if toys_only else dict(os.environ)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(told), *arguments], cwd=folder, env=env, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = set(told.read_text().split())
    packages = {name.partition(".")[0] for name in found}
    return found | packages | ({"zstd"} if found & {"backports.zstd", "compression.zstd"} else set())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a toy machine that has a dial, and an image of it."""
    make_site(tmp_path)
    held = {toys.DIAL: toys.Dial(toys.DialBody(42, 5))}
    (tmp_path / "m.toy").write_bytes(to_json(MACHINE, held))
    (tmp_path / "a.dctx").write_bytes(saved(toy_registry(), held))
    (tmp_path / "a.v10").write_bytes(SMALLEST)
    return tmp_path


@pytest.mark.parametrize("name", ["a.dctx", "a.v10"])
def test_info_loads_no_plugin(folder: Path, name: str) -> None:
    """Of our own images: neither a plugin nor what finds and calls them; a plain one needs no CBOR."""
    found = modules(folder, "info", name)
    unwanted = HEAVY | PLUGINS | {"helpers", "concurrent", "tempfile", "domctx.schema.define", "domctx.stream"}
    assert found & unwanted <= ({"cbor2"} if name == "a.dctx" else set())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["save", "--help"],
        ["plugins"],
        ["formats"],
        ["types"],
        ["show", "a.dctx"],
        ["verify", "a.dctx"],
        ["verify", "a.v10"],
        ["diff", "a.dctx", "m.toy"],
        ["save", "m.toy", "b.dctx"],
        ["load", "a.dctx", "toy:n.toy"],
        ["convert", "a.dctx", "c.dctx"],
        ["convert", "a.dctx", "toy:o.toy"],
    ],
    ids=" ".join,
)
def test_commands_load_what_they_use(folder: Path, arguments: list[str]) -> None:
    """CBOR where there is a MANIFEST; neither arrays, compression nor what draws bars."""
    found = modules(folder, *arguments)
    cbor = {"cbor2"} if arguments[0] in ("show", "verify", "diff", "save", "load", "convert") else set()
    assert found & HEAVY <= cbor
    assert found & LIVE == set()


def test_an_image_needs_no_temporary_file(folder: Path) -> None:
    """It is shown as it is."""
    assert "tempfile" not in modules(folder, "show", "a.v10", toys_only=False)


def test_files_are_published_without_what_folders_need() -> None:
    """Paths as objects and temporary folders take longer to import than all that publishes a file."""
    script = "import sys, domctx.cli.save, domctx.cli.load; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"domctx.publish", "tempfile", "shutil", "pathlib"} & set(done.stdout.split()) == {"domctx.publish"}


def test_another_command_s_modules_are_not_loaded(folder: Path) -> None:
    """Each is imported when it is called."""
    found = modules(folder, "info", "a.dctx")
    assert {name for name in found if name.startswith("domctx.cli.")} == {
        "domctx.cli.run", "domctx.cli.commands", "domctx.cli.session", "domctx.cli.terminal", "domctx.cli.options",
        "domctx.cli.info", "domctx.cli.aliases",
    }  # fmt: skip


@pytest.mark.parametrize("arguments", [["--help"], ["plugins"], ["formats"], ["types"]], ids=" ".join)
def test_bundled_plugins_are_cheap(tmp_path: Path, arguments: list[str]) -> None:
    """All of them together load nothing heavy."""
    assert modules(tmp_path, *arguments, toys_only=False) & (HEAVY | LIVE) == set()


@pytest.mark.parametrize(
    "target", sorted(point.target for point in entry_points(sys.path) if point.distribution == "domctx")
)
def test_each_entry_point_is_cheap(target: str) -> None:
    """By itself: its module loads neither arrays, compression, CBOR, click nor what draws bars."""
    script = f"import sys, {target.partition(':')[0]}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    assert found & (HEAVY | {"click", "backports.zstd", "compression.zstd"}) == set()
