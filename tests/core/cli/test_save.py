"""Tests of ``domctx save``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from domctx.manifest import decode
from domctx.testing.streams import split
from helpers import toys
from helpers.toy_cli import Cli
from helpers.toy_commands import over_toys
from helpers.toy_images import SMALLEST, saved, settled, vendor_image, vendor_registry, vendor_states
from helpers.toy_machines import ToyDomain


def test_a_machine_is_saved(cli: Cli) -> None:
    """To a file that only its owner may read; the machine is given back as it was."""
    ran = cli("save", f"toy:{cli.machine()}", "a.dctx")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    octets = cli.path("a.dctx").read_bytes()
    assert settled(octets) == settled(vendor_image())
    assert cli.path("a.dctx").stat().st_mode & 0o777 == 0o600
    assert cli.log() == ["pause", "unpause", "close"]
    assert cli.names() == ["a.dctx", "m.toy"]
    use = decode(split(octets)[1].body).types[-1]
    assert (use.distribution, use.distribution_version) == ("acme", "1.5")


def test_a_machine_is_saved_to_a_pipe(cli: Cli) -> None:
    """With the octets that a file gets; and from there loaded into another."""
    done = cli.process("save", f"toy:{cli.machine()}", "-")
    assert (done.returncode, done.stderr) == (0, b"")
    assert settled(done.stdout) == settled(vendor_image())
    assert cli.log() == ["pause", "unpause", "close"]
    loaded = cli.process("load", "-", "toy:" + str(cli.path("n.toy")), stdin=done.stdout)
    assert (loaded.returncode, loaded.stderr) == (0, b"")
    assert cli.path("n.toy").read_bytes() == cli.path("m.toy").read_bytes()
    assert cli("save", "m.toy", "-").out.startswith("\1\0\0\0")
    assert cli("save", "--plain-xen", cli.machine("o.toy", {}), "dctx:-").out.encode() == SMALLEST


def test_what_was_found_needs_no_scheme(cli: Cli) -> None:
    """The magic tells; the goal may have ours."""
    assert cli("save", cli.machine(), "dctx:a.dctx").code == 0
    assert cli.names() == ["a.dctx", "m.toy"]


def test_a_plain_image(cli: Cli) -> None:
    """Xen's records only: what is left out is said."""
    ran = cli("save", "--plain-xen", cli.machine(states={}), "a.v10")
    assert (ran.code, cli.path("a.v10").read_bytes()) == (0, SMALLEST)
    ran = cli("save", "--plain-xen", cli.machine(), "b.v10")
    assert "domctx: a plain v10 image has no record for state 'dial': it is left out\n" in ran.err
    assert [record.type for record in split(cli.path("b.v10").read_bytes())] == [1, toys.XEN_CODE, 0]


def test_a_dry_run_writes_nothing(cli: Cli) -> None:
    """It says what each type would take; the sum is the real size where every type is exact."""
    held = {key: state for key, state in vendor_states().items() if key is not toys.BULK}
    path = cli.machine(states=held)
    ran = cli("save", "--dry-run", path)
    real = len(saved(vendor_registry(), held))
    assert ran.out.splitlines()[-1].split() == ["total", f"{real:,}", "octets"]
    assert cli.names() == ["m.toy"]
    told = json.loads(cli("save", "--dry-run", "--json", path, "ignored.dctx").out)
    assert (told["octets"], told["exact"]) == (real, True)
    assert told["records"][0] == {"record": "START", "octets": 24, "exact": True}
    bounded = cli("save", "--dry-run", cli.machine()).out.splitlines()
    assert [line.split()[:3] for line in bounded if line.startswith(("BULK", "total"))] == [
        ["BULK", "at", "most"],
        ["total", "at", "most"],
    ]


def test_a_dry_run_of_what_passes_once(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody can know before the save is called so, and is no number; the bounds that are known are told."""
    monkeypatch.setattr(ToyDomain, "one_pass", True)
    lines = cli("save", "--dry-run", cli.machine()).out.splitlines()
    assert "NOTES                not known before it is saved" in lines
    assert [line.split()[:3] for line in lines if line.startswith("BULK")] == [["BULK", "at", "most"]]
    assert lines[-1].startswith("total                at most")
    assert lines[-1].endswith(" octets, and what is not known")
    told = json.loads(cli("save", "--dry-run", "--json", cli.machine()).out)
    assert {"record": "NOTES", "octets": None, "exact": False} in told["records"]
    assert (told["octets"], told["exact"]) == (None, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["m.toy"], "Missing argument 'IMAGE'"),
        (["m.toy", "toy:x"], "save writes an image; use `domctx convert m.toy toy:x`"),
        (["m.toy", "m.toy"], "m.toy: exists already\n  choose another name, or pass --force to replace it"),
        (["-O", "speed=3", "m.toy", "a"], "there is no option 'speed' here"),
        (["nothing:x", "a"], "unknown scheme 'nothing'"),
        (["out:m.toy", "a"], "out:m.toy: out: cannot be read"),
    ],
)
def test_wrong_use(cli: Cli, arguments: list[str], message: str) -> None:
    """Is refused before the machine is touched."""
    cli.machine()
    ran = cli("save", *arguments)
    assert ran.code == 2
    assert message in ran.err
    assert cli.log() == []
    assert cli.names() == ["m.toy"]


def test_force_replaces_a_file_when_all_is_well(cli: Cli) -> None:
    """And keeps it, octet for octet, when it is not."""
    old = cli.file("a.dctx", b"old")
    path = cli.machine()
    ran = cli("save", "--force", f"toy:{path}", "-O", "fail=unpause", old)
    assert (ran.code, ran.err) == (6, "domctx: the toy cannot unpause\n")
    assert cli.path("a.dctx").read_bytes() == b"old"
    assert cli("save", "--force", path, old).code == 0
    assert settled(cli.path("a.dctx").read_bytes()) == settled(vendor_image())
    assert cli.names() == ["a.dctx", "m.toy"]


@pytest.mark.parametrize("more", [["a.dctx"], ["--dry-run"]])
def test_a_state_that_is_none_is_not_dropped(cli: Cli, more: list[str]) -> None:
    """A name that is misspelt would save what was to be left out."""
    ran = cli("save", "--drop", "note", cli.machine(), *more)
    assert (ran.code, cli.names(), "pause" in cli.log()) == (2, ["m.toy"], False)
    assert ran.err.startswith("domctx: there is no state 'note' to drop\n  the states are: ")


def test_states_may_be_dropped(cli: Cli) -> None:
    """Which is said."""
    ran = cli("save", "--drop", "notes", cli.machine(), "a.dctx")
    assert ran.err == "domctx: state 'notes' is dropped\n"
    assert toys.NOTES_CODE not in [record.type for record in split(cli.path("a.dctx").read_bytes())]


def test_a_state_that_nobody_saves_is_refused(bare: Cli) -> None:
    """And nothing is left."""
    ran = bare("save", bare.machine(), "a.dctx")
    assert ran.code == 6
    assert "no record type saves the domain's state 'acme/mark'" in ran.err
    assert bare.log()[-2:] == ["unpause", "close"]
    assert bare.names() == ["m.toy"]


def test_a_full_disk(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told before anything is written."""

    class Disk:
        f_bavail, f_frsize = 1, 1024

    monkeypatch.setattr(os, "statvfs", lambda folder: Disk)
    ran = cli("save", cli.machine(), "a.dctx")
    assert ran.code == 6
    assert ran.err.startswith("domctx: a.dctx: the image does not fit on the disk; expected")
    assert cli.names() == ["m.toy"]


def test_an_image_is_saved_again(bare: Cli) -> None:
    """As any other domain: what nobody knows is carried along."""
    one = bare.file("one.dctx", vendor_image())
    assert bare("save", one, "two.dctx").code == 0
    assert settled(bare.path("two.dctx").read_bytes()) == settled(vendor_image())
    ran = bare("save", "-", "three.dctx", stdin=vendor_image())
    assert ran.code == 0
    assert settled(bare.path("three.dctx").read_bytes()) == settled(vendor_image())
    ran = bare("save", "--plain-xen", one, "four.dctx")
    assert "domctx: acme/mark is optional and unknown: left out\n" in ran.err


def test_octets_to_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Standard output gets every record; no room is asked for, so it is paused once, and no file appears."""
    cli = over_toys(tmp_path, monkeypatch, capfdbinary)
    types = [record.type for record in split(cli("save", cli.machine(), "-").octets)]
    assert {toys.DIAL_CODE, toys.NOTES_CODE, toys.LAMPS_CODE, toys.BULK_CODE, toys.CLOCK_CODE} < set(types)
    assert types[-1] == 0
    assert cli.log() == ["pause", "unpause", "close"]
    assert cli.files() == ["m"]


@pytest.mark.parametrize("event", ["pause", "unpause"])
def test_a_domain_that_fails_leaves_no_image(
    event: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Where the domain cannot be paused, or not be given back, there is no file, and it is closed."""
    cli = over_toys(tmp_path, monkeypatch, capfdbinary)
    assert f"the toy cannot {event}" in cli.refused(6, "save", "-O", f"fail={event}", cli.machine(), tmp_path / "a")
    assert cli.files() == ["m"]
    assert cli.log()[-1] == "close"


def test_a_domain_that_waits_is_told_when_its_state_is_safe(cli: Cli) -> None:
    """That is when the image has its name, or all of it went to a pipe; never where saving failed."""
    path = cli.machine("keeper.toy")
    assert cli("save", path, "a.dctx").code == 0
    assert cli.log("keeper.toy") == ["pause", "unpause", "saved:a.dctx", "close"]
    assert cli("save", path, "-").code == 0
    assert cli.log("keeper.toy")[-4:] == ["pause", "unpause", "saved:a.dctx", "close"]
    assert cli("save", "-O", "fail=unpause", path, "b.dctx").code == 6
    assert cli.log("keeper.toy")[-2:] == ["unpause", "close"]
