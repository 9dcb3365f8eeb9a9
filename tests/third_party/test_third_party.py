"""A vendor's distributions, installed by pip into a fresh environment, are driven through the command line."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

from helpers.distributions import domctx

pytestmark = pytest.mark.slow

ACME = ("acme-tpm", "acme-vmm")
FILE = "acme-tpm.bin"
PCRS = b"".join(hashlib.sha1(bytes([index])).digest() for index in range(24))
TPM = (7).to_bytes(4, "little") + (5).to_bytes(4, "little") + PCRS + b"nvram"
"""A TPM as acme-tpm keeps it in the folder of a simulated machine: resets, length of the NVRAM, PCRs, NVRAM."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment into which pip installed both; it sees domctx beside them."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True, symlinks=True)
    interpreter = folder / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (site / "beside.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    sources = tmp_path_factory.mktemp("source")
    folders = [shutil.copytree(Path(__file__).parent / name, sources / name) for name in ACME]
    pip = [interpreter, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", *folders]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONPATH": ""}
    done = subprocess.run(list(map(str, pip)), capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return interpreter


class Work:
    """A folder with a simulated machine ``m1`` that has a TPM, and its image ``a.dctx``."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.python, self.folder = python, folder
        (folder / "payload").write_bytes(bytes(8192))
        self.run("make-guest", "payload", "--load-address", "0xc0100000", "-o", "guest.img")
        self.run("build", "guest.img", "sim:m1", "--memory", "4M")
        (folder / "m1" / FILE).write_bytes(TPM)
        self.saving = self.run("save", "sim:m1", "a.dctx")

    def run(self, *arguments: str, code: int = 0, **rest: Any) -> str:
        """Run a command, which must exit with ``code``; what it printed, and what it told beside."""
        done = domctx(*arguments, python=self.python, cwd=self.folder, **rest)
        told = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode == code, told
        return told

    def json(self, *arguments: str, **rest: Any) -> Any:
        """Run a command, and read the JSON that it printed."""
        done = domctx(*arguments, "--json", python=self.python, cwd=self.folder, **rest)
        assert done.returncode in (0, 1), done.stderr.decode()
        return json.loads(done.stdout)

    def path(self, name: str) -> Path:
        """A file in the folder."""
        return self.folder / name


@pytest.fixture(scope="module")
def machine(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Work:
    """The machine and its image; tests leave both as they are."""
    return Work(python, tmp_path_factory.mktemp("work"))


@pytest.fixture
def work(machine: Work, tmp_path: Path) -> Work:
    """A folder of a test's own with the image in it."""
    found = object.__new__(Work)
    found.python, found.folder, found.saving = machine.python, tmp_path, machine.saving
    shutil.copy(machine.path("a.dctx"), tmp_path)
    return found


@pytest.mark.parametrize("name", ACME)
def test_its_own_tests_pass(python: Path, tmp_path: Path, name: str) -> None:
    """A distribution's own tests, the contract among them, pass against what pip installed."""
    tests = shutil.copytree(Path(__file__).parent / name / "tests", tmp_path / "tests")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests]
    done = subprocess.run(
        list(map(str, command)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_plugins_and_types_are_listed(work: Work) -> None:
    """Its plugins are loaded beside the bundled ones, and its record type is listed as its own."""
    plugins = {plugin["name"]: plugin for plugin in work.json("plugins")["plugins"]}
    ours = {name: (plugin["version"], plugin["status"]) for name, plugin in plugins.items() if name.startswith("acme")}
    names = ("acme-tpm:scramble", "acme-tpm:tpm", "acme-tpm:watch", "acme-vmm:vmm")
    assert ours == dict.fromkeys(names, ("1.0", "loaded"))
    assert plugins["domctx:memory"]["status"] == "loaded"
    kinds = {kind["name"]: kind for kind in work.json("types")["types"]}
    assert (kinds["acme/tpm"]["code"], kinds["acme/tpm"]["plugin"]) == (0x0002_0000, "acme-tpm:tpm")


def test_a_save_carries_the_tpm(work: Work) -> None:
    """The TPM of a simulated machine is saved with it, and shown field by field."""
    (record,) = work.json("show", "a.dctx", "acme/tpm")["records"]
    assert (record["code"], record["instance"], record["length"]) == (0x0002_0000, 0, 493)
    assert record["value"]["resets"] == 7
    assert record["value"]["pcrs"][1] == PCRS[20:40].hex()
    assert "resets" in work.run("show", "a.dctx", "acme/tpm:0")
    work.run("verify", "a.dctx")


def test_it_loads_into_another_machine(work: Work) -> None:
    """A machine that is loaded has the TPM, although its frames are others; nothing differs."""
    work.run("load", "a.dctx", "sim:m2")
    assert (work.path("m2") / FILE).read_bytes() == TPM
    work.run("save", "sim:m2", "b.dctx")
    assert work.run("diff", "a.dctx", "b.dctx").count("not counted") <= 2
    assert work.json("diff", "a.dctx", "sim:m2")["counted"] == 0


def test_diff_names_its_fields(work: Work) -> None:
    """A changed register is a difference of the vendor's record."""
    work.run("load", "a.dctx", "sim:m2")
    changed = bytearray(TPM)
    changed[8 + 20 * 3] ^= 1
    (work.path("m2") / FILE).write_bytes(changed)
    told = work.run("diff", "a.dctx", "sim:m2", code=1)
    assert "acme/tpm[0] pcrs[3]" in told, told


def test_through_a_pipe(work: Work, machine: Work) -> None:
    """Saved to standard output and loaded from standard input, the TPM comes along."""
    saved = domctx("save", "sim:m1", "-", python=work.python, cwd=machine.folder)
    assert saved.returncode == 0
    work.run("load", "-", "sim:m3", stdin=saved.stdout)
    assert (work.path("m3") / FILE).read_bytes() == TPM


def test_a_machine_without_a_tpm(work: Work) -> None:
    """A machine without the vendor's file is saved without the vendor's record."""
    work.run("load", "a.dctx", "sim:m2", "--drop", "acme/tpm")
    assert not (work.path("m2") / FILE).exists()
    work.run("save", "sim:m2", "b.dctx")
    assert "acme/tpm: present -> absent" in work.run("diff", "a.dctx", "b.dctx", code=1)


def test_dropped_on_the_way_out(work: Work, machine: Work) -> None:
    """--drop leaves the TPM out of a save, and says so."""
    told = work.run("save", f"sim:{machine.path('m1')}", "b.dctx", "--drop", "acme/tpm")
    assert "state 'acme/tpm' is dropped" in told
    names = [row["name"] for row in work.json("info", "b.dctx")["records"]]
    assert "acme/tpm" not in names


def test_the_watcher_counts(work: Work) -> None:
    """The wrapper that only watches tells what it saw, both ways, and changes no octet."""
    assert "acme: 1 CPU records of 2524 octets saved" in work.saving
    assert "acme: 1 CPU records of 2524 octets loaded" in work.run("load", "a.dctx", "sim:m2")
    octets = {}
    for disable in ("", "acme-tpm:watch"):
        name = f"watched-{bool(disable)}.dctx"
        work.run("save", "sim:m2", name, disable=disable)
        octets[disable] = work.json("show", name, "CPU")["records"][0]["value"]
    assert octets[""] == octets["acme-tpm:watch"]


def test_the_trace_tells_each_call(work: Work) -> None:
    """With DOMCTX_TRACE=1 each handler and each wrapper around it is told with its time."""
    told = work.run("load", "a.dctx", "sim:m2", environment={"DOMCTX_TRACE": "1"})
    own, wrapper, theirs = "domctx_cpu.records.load", "acme-tpm:watch", "acme_tpm.plugin.load"
    for what in (f"load CPU: {own}", f"load CPU: {wrapper}", f"load acme/tpm: {theirs}"):
        assert re.search(rf"domctx: trace: {what} took [0-9.]+ ms", told), told
    assert "trace:" not in work.saving


def test_the_transform_is_listed_and_undone(work: Work, machine: Work) -> None:
    """MANIFEST names the transform; the octets in the file are turned round, and shown and loaded as they were."""
    rows = {row["name"]: row for row in work.json("info", "a.dctx")["records"]}
    assert rows["SHARED_INFO_PAGE"]["transforms"] == ["acme/scramble"]
    assert rows["CPU"]["transforms"] == []
    work.run("save", f"sim:{machine.path('m1')}", "plain.dctx", disable="acme-tpm:scramble")
    bodies = []
    for name in ("a.dctx", "plain.dctx"):
        (record,) = work.json("show", name, "SHARED_INFO_PAGE")["records"]
        start = record["offset"] + 16
        bodies.append(work.path(name).read_bytes()[start : start + record["length"]])
    assert bodies[0] == bytes(octet ^ 0xFF for octet in bodies[1])
    shown = [work.json("show", name, "SHARED_INFO_PAGE")["records"][0]["value"] for name in ("a.dctx", "plain.dctx")]
    assert shown[0] == shown[1]
    assert work.json("diff", "a.dctx", "plain.dctx")["counted"] == 0
    work.run("load", "plain.dctx", "sim:m2")


@pytest.mark.parametrize("command", [("load", "a.dctx", "sim:m2"), ("show", "a.dctx"), ("diff", "a.dctx", "a.dctx")])
def test_refused_without_the_transform(work: Work, command: tuple[str, ...]) -> None:
    """Without the transform's plugin the image is refused, by the transform's name; nobody reads it as it stands."""
    told = work.run(*command, code=5, disable="acme-tpm:scramble")
    assert "SHARED_INFO_PAGE was transformed by acme/scramble, which is not installed or not enabled" in told
    assert not work.path("m2").exists()


@pytest.mark.parametrize("command", [("load", "a.dctx", "sim:m2"), ("convert", "a.dctx", "sim:m2")])
def test_refused_without_the_plugin(work: Work, command: tuple[str, ...]) -> None:
    """Without the plugin the image is refused, with the record's place and the distribution to install."""
    told = work.run(*command, code=5, disable="acme-tpm:tpm")
    assert "type 0x00020000[0]: unknown record type" in told
    assert "acme/tpm can be read by the distribution acme-tpm 1.0: install it" in told
    assert not work.path("m2").exists()


def test_show_without_the_plugin(work: Work) -> None:
    """Records that nobody can read are shown without contents, and the distribution that can read them is named."""
    told = work.run("show", "a.dctx", disable="acme-tpm:tpm")
    assert "acme/tpm[0]  type 0x00020000" in told
    assert "acme/tpm can be read by the distribution acme-tpm 1.0: install it" in told
    assert "resets" not in told


def test_info_needs_no_plugin(work: Work) -> None:
    """What an image holds is told by its MANIFEST, whatever is installed."""
    rows = {row["name"]: row for row in work.json("info", "a.dctx", disable="acme-tpm")["records"]}
    assert rows["acme/tpm"]["distribution"] == "acme-tpm 1.0"


def test_its_command(work: Work) -> None:
    """The vendor's command reads the TPM of an image and of a machine; it is listed, and refuses what has no TPM."""
    assert f"PCR  1  {PCRS[20:40].hex()}" in work.run("tpm", "a.dctx")
    work.run("load", "a.dctx", "sim:m2")
    assert work.json("tpm", "sim:m2")["resets"] == 7
    assert "print the registers of a TPM" in work.run("--help")
    (work.path("m2") / FILE).unlink()
    assert "has no TPM" in work.run("tpm", "sim:m2", code=2)


def test_its_refusals_are_refusals(work: Work) -> None:
    """A vendor's file that is damaged is refused by name, as bad input and not as a bug."""
    work.run("load", "a.dctx", "sim:m2")
    (work.path("m2") / FILE).write_bytes(b"short")
    assert f"{FILE}: TpmBody: the body is too short" in work.run("save", "sim:m2", "b.dctx", code=4)
    assert not work.path("b.dctx").exists()


def test_the_example_is_the_one_in_the_list() -> None:
    """The vendor's codes lie in the block that docs/blocks.toml gives to its namespace; no two blocks overlap."""
    import tomllib

    text = (Path(__file__).parents[2] / "docs" / "blocks.toml").read_text()
    blocks = sorted(tomllib.loads(text)["block"], key=lambda block: int(block["first"]))
    for block in blocks:
        assert 0x0002_0000 <= block["first"] < block["last"] <= 0x3FFF_FFFF
        assert block["first"] % 0x100 == 0
        assert block["last"] % 0x100 == 0xFF
    assert all(a["last"] < b["first"] for a, b in itertools.pairwise(blocks))
    (acme,) = (block for block in blocks if block["distribution"] == "acme-tpm")
    assert acme["first"] <= 0x0002_0000 <= acme["last"]


def test_its_format_is_written_and_read(work: Work, machine: Work) -> None:
    """Any machine becomes a snapshot and comes back; what a snapshot has no place for is told."""
    told = work.run("convert", f"sim:{machine.path('m1')}", "vmm:m1.vmm")
    assert re.search("vmm: has no place for these states, they are left out: .*acme/tpm", told), told
    for name in ("a.dctx", "m1.vmm"):
        work.run("extract", name, "memory", "-o", f"{name}.raw")
    assert work.path("m1.vmm.raw").read_bytes() == work.path("a.dctx.raw").read_bytes()
    work.run("convert", "m1.vmm", "b.dctx")
    work.run("convert", "b.dctx", "vmm:again.vmm")
    assert work.path("again.vmm").read_bytes() == work.path("m1.vmm").read_bytes()
    piped = domctx("convert", "b.dctx", "vmm:-", python=work.python, cwd=work.folder)
    assert piped.stdout == work.path("m1.vmm").read_bytes()


def test_its_format_is_known_by_its_magic(work: Work, machine: Work) -> None:
    """Wherever a file is named; what is damaged is refused, and which check covers what is told."""
    work.run("convert", "a.dctx", "vmm:m1.vmm")
    assert work.json("info", "m1.vmm")["format"] == "vmm"
    assert work.json("show", "m1.vmm", "MEMORY")["records"][0]["value"]["block"] == "ram"
    assert "memory" in work.run("verify", "m1.vmm")
    first, second = (work.run("read", name, "0x1000", "64") for name in ("a.dctx", "m1.vmm"))
    assert first == second
    assert "vmm" in {row["scheme"] for row in work.json("formats")["formats"]}
    octets = work.path("m1.vmm").read_bytes()
    work.path("cut.vmm").write_bytes(octets[:-1])
    assert "the snapshot has no tail: it was cut" in work.run("info", "cut.vmm", code=3)
    work.run("load", "m1.vmm", "sim:m4", code=2)
    assert not work.path("m4").exists()
