"""``domctx types``: record types listed, as C, as tables, and held against what they were."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from domctx.cli import types
from domctx.cli.run import run

Run = Callable[..., str]

ACME = '''
from typing import Annotated, Any
import attrs
from domctx import RecordType, StateKey, hookimpl
from domctx.schema import U8, U32, Array, Nested, layout

@layout(source="a test")
@attrs.frozen
class Clock:
    """A clock."""
    ticks: Annotated[int, U32("how far it has gone", unit="ms")]

@layout(source="a test")
@attrs.frozen
class ThingBody:
    """A thing."""
    kind: Annotated[int, U8("of what kind")]
    clocks: Annotated[tuple[Clock, ...], Array(Clock, 2, "its clocks")]
    {more}

def nothing(*arguments): pass

def make(code, name, **rest):
    return RecordType(code=code, name=name, summary="a thing", state=StateKey(name), save=nothing, load=nothing,
                      new_state=nothing, **rest)

@hookimpl
def domctx_record_types():
    return [make(0x7fff0002, "acme.de/thing", body={body}), make(0x7fff0001, "acme.de/free")]
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[..., str]:
    """Writes a one-file plugin with two types, one of which declares a layout; gives its path."""

    def write(more: str = "", body: str = "ThingBody", name: str = "acme.py") -> str:
        (tmp_path / name).write_text(ACME.replace("{more}", more).replace("{body}", body))
        return str(tmp_path / name)

    return write


@pytest.fixture
def domctx(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line, which must exit with ``code``; what it printed, and told."""

    def call(*arguments: str, code: int = 0) -> str:
        assert run(list(arguments)) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    return call


def test_lists_types_by_code(domctx: Run, plugin: Callable[..., str]) -> None:
    """Each type is a line with code, name, version, instances, plugin and summary, in ascending code."""
    path = plugin()
    lines = domctx("--plugin", path, "types").splitlines()
    assert [line.split()[:4] for line in lines[-2:]] == [
        ["0x7fff0001", "acme.de/free", "v1", "single"],
        ["0x7fff0002", "acme.de/thing", "v1", "single"],
    ]
    assert f"file:{path}" in lines[-1]
    assert lines == sorted(lines)
    assert any(line.startswith("0x00010100  MEMORY") for line in lines)


def test_lists_types_as_json(domctx: Run) -> None:
    """As JSON each type has its code, name, summary, versions, instances, state, largest body and plugin."""
    (found,) = json.loads(domctx("types", "gdt", "--json"))["types"]
    assert found == {
        "code": 0x0001_0210,
        "name": "GDT",
        "summary": found["summary"],
        "version": 1,
        "readable_since": 1,
        "oldest": 1,
        "instances": "keyed",
        "state": "gdt",
        "max_body": 136,
        "plugin": "domctx:gdt",
    }


def test_unknown_names(domctx: Run) -> None:
    """A name that no type has is refused, and the known ones are told."""
    told = domctx("types", "GDT", "nothing", code=2)
    assert "there is no record type 'nothing'" in told
    assert "known: SHARED_INFO, TSC_INFO" in told


def test_c_header_of_one_type(domctx: Run) -> None:
    """A type's layout is printed as a packed C struct that proves its size."""
    header = domctx("types", "GDT", "--c")
    assert '_Static_assert(sizeof(struct domctx_gdt_body) == 136, "size of domctx_gdt_body");' in header


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_c_header_of_all_types_compiles(domctx: Run, plugin: Callable[..., str], tmp_path: Path) -> None:
    """The header of all types compiles, its assertions included; structs are named by namespace."""
    header = domctx("--plugin", plugin(), "types", "--c")
    assert "struct acme_de_thing_body {" in header
    assert "struct acme_de_clock clocks[2];" in header
    (tmp_path / "all.c").write_text(header)
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Werror", "-fsyntax-only", tmp_path / "all.c"], check=True)


def test_c_header_with_two_structs_of_one_name(domctx: Run, plugin: Callable[..., str]) -> None:
    """Two layouts that would get one name in C are refused; one by one they are printed."""
    one, two = plugin(), plugin(name="other.py")
    Path(two).write_text(Path(two).read_text().replace("acme.de/", "acme.de/x").replace("0x7fff", "0x7ffe"))
    told = domctx("--plugin", one, "--plugin", two, "types", "--c", code=2)
    assert "would both be struct acme_de_clock" in told
    assert "domctx types NAME --c" in told
    domctx("--plugin", one, "--plugin", two, "types", "acme.de/thing", "--c")


def test_tables(domctx: Run, plugin: Callable[..., str]) -> None:
    """A type's layout is printed as a table, and one for each struct in it; types without a layout have none."""
    told = domctx("--plugin", plugin(), "types", "--table")
    assert "## acme.de/thing (0x7fff0002, version 1)\n\na thing\n\n| offset | size |" in told
    assert "### Clock\n\n| offset | size |" in told
    assert "| 0 | 4 | `ticks` | u32 | ms | how far it has gone |" in told
    assert "acme.de/free" not in told


@pytest.mark.parametrize("flag", ["--c", "--table"])
def test_types_without_a_layout(domctx: Run, plugin: Callable[..., str], flag: str) -> None:
    """A type that declares no layout has none to print, where it is asked for by name."""
    told = domctx("--plugin", plugin(), "types", "acme.de/free", flag, code=2)
    assert "acme.de/free declares no layout" in told


def test_baseline_holds_against_itself(domctx: Run, tmp_path: Path) -> None:
    """What was written just now breaks nothing; a file that exists is not overwritten without --force."""
    path = str(tmp_path / "types.json")
    domctx("types", "--baseline", path)
    assert len(json.loads(Path(path).read_bytes())["types"]) > 5
    assert domctx("types", "--check", path) == ""
    assert json.loads(domctx("types", "--check", path, "--json")) == {"file": path, "breaks": []}
    assert "exists already" in domctx("types", "--baseline", path, code=2)
    domctx("types", "GDT", "--baseline", path, "--force")
    assert [kind["name"] for kind in json.loads(Path(path).read_bytes())["types"]] == ["GDT"]


def test_check_says_what_breaks(domctx: Run, plugin: Callable[..., str], tmp_path: Path) -> None:
    """A field that was added without a new version is named, and the exit code is 1."""
    path = str(tmp_path / "types.json")
    domctx("--plugin", plugin(), "types", "acme.de/thing", "--baseline", path)
    told = domctx("--plugin", plugin('more: Annotated[int, U8("more")] = 0'), "types", "--check", path, code=1)
    assert told == "acme.de/thing: the field more is new without a new version\n"
    value = json.loads(domctx("--plugin", plugin(body="None"), "types", "--check", path, "--json", code=1))
    assert value["breaks"][0]["record"] == "acme.de/thing"
    assert domctx("--plugin", plugin(body="None"), "types", "--check", path, "gdt") == ""


def test_check_of_a_type_that_is_gone(domctx: Run, plugin: Callable[..., str], tmp_path: Path) -> None:
    """A type that nobody has any more breaks every image that holds it."""
    path = str(tmp_path / "types.json")
    domctx("--plugin", plugin(), "types", "acme.de/thing", "--baseline", path)
    assert "the type 0x7fff0002 is gone" in domctx("types", "--check", path, code=1)


@pytest.mark.parametrize("octets", [b"", b"{", b"\xff", b"[" * 100_000], ids=["empty", "cut", "binary", "deep"])
def test_baselines_that_are_not_json(domctx: Run, tmp_path: Path, octets: bytes) -> None:
    """A file that is not JSON is refused by name."""
    path = tmp_path / "types.json"
    path.write_bytes(octets)
    assert f"{path}: is no baseline: not JSON" in domctx("types", "--check", str(path), code=2)


def test_baselines_that_are_none(domctx: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON that is no baseline, a file that is not there, and one that is too large are refused by name."""
    path = tmp_path / "types.json"
    path.write_text("{}")
    assert f"{path}: not a baseline" in domctx("types", "--check", str(path), code=2)
    assert "No such file or directory" in domctx("types", "--check", str(tmp_path / "none"), code=6)
    monkeypatch.setattr(types, "LARGEST", 1)
    assert f"{path}: is no baseline: too large" in domctx("types", "--check", str(path), code=2)


def test_one_thing_at_a_time(domctx: Run) -> None:
    """--c, --table, --baseline and --check do not go together."""
    assert "do not go together" in domctx("types", "--c", "--table", code=2)


@pytest.mark.parametrize("option", ["--baseline", "--check"])
def test_nothing_is_held_against_types_of_a_broken_plugin(domctx: Run, tmp_path: Path, option: str) -> None:
    """While a plugin is broken its types are missing, so no baseline is written or checked."""
    (tmp_path / "bad.py").write_text("1 / 0")
    told = domctx("--plugin", str(tmp_path / "bad.py"), "types", option, str(tmp_path / "types.json"), code=70)
    assert "bad.py is broken: ZeroDivisionError" in told
