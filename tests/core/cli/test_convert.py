"""Tests of ``domctx convert``."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.api import Images
from domctx.testing.streams import split
from helpers import toys
from helpers.toy_cli import Cli
from helpers.toy_commands import over_toys
from helpers.toy_images import saved, settled, states, toy_registry, vendor_image, vendor_states
from helpers.toy_machines import from_json

TEXTS = b"TEXToneTEXTTEXTthree and four!!"


def test_to_an_image(bare: Cli) -> None:
    """From a machine, from a file of another format, from an image with records that nobody knows."""
    assert bare("convert", bare.machine(states=states()), "a.dctx").code == 0
    assert settled(bare.path("a.dctx").read_bytes()) == settled(saved(toy_registry(), states()))
    assert bare("convert", bare.file("a.text", TEXTS), "dctx:b.dctx").code == 0
    notes = {toys.NOTES: states()[toys.NOTES]}
    assert settled(bare.path("b.dctx").read_bytes()) == settled(saved(toy_registry(), notes))
    assert bare("convert", bare.file("c.dctx", vendor_image()), "d.dctx").code == 0
    assert settled(bare.path("d.dctx").read_bytes()) == settled(vendor_image())


def test_to_another_format(bare: Cli) -> None:
    """In the format's own order; what is left out is said."""
    ran = bare("convert", bare.file("a.dctx", vendor_image()), "text:a.text")
    assert bare.path("a.text").read_bytes() == TEXTS
    assert ran.err.splitlines() == [
        "domctx: acme/mark is optional and unknown: left out",
        "domctx: only the notes are written",
        "domctx: text: has no place for these states, they are left out: dial, lamps, bulk, toy_clock",
    ]
    assert bare.path("a.text").stat().st_mode & 0o777 == 0o600


NOTES_OF_LAMPS = """
from domctx.api import StateProvider
from domctx.hookspecs import hookimpl
from helpers import toys

def notes(domain):
    lamps = domain.state(toys.LAMPS)
    return toys.Notes(list(lamps.lamps.values())) if lamps is not None else None

@hookimpl
def domctx_state_providers():
    return [StateProvider(toys.NOTES, notes, owned=False)]
"""


def test_to_a_format_that_has_a_place_for_a_part(cli: Cli) -> None:
    """What another state was derived from is not told as gone, and neither as kept."""
    machine = cli.machine(states={toys.LAMPS: toys.Lamps({7: b"lamp seven.."}), toys.DIAL: toys.Dial()})
    plugin = cli.file("lamps.py", NOTES_OF_LAMPS.encode())
    ran = cli("--plugin", plugin, "convert", machine, "text:a.text")
    assert b"lamp seven.." in cli.path("a.text").read_bytes()
    assert ran.err.splitlines()[1:] == [
        "domctx: text: has a place for a part of these states only: lamps",
        "domctx: text: has no place for these states, they are left out: dial",
    ]


def test_to_a_format_that_has_a_place_for_all(cli: Cli) -> None:
    """Nothing is left out, and nothing said of it."""
    ran = cli("convert", cli.machine(states={toys.NOTES: toys.Notes([b"one"])}), "text:a.text")
    assert (ran.code, ran.err) == (0, "domctx: only the notes are written\n")


def test_to_a_pipe_and_from_one(cli: Cli) -> None:
    """Both ways."""
    done = cli.process("convert", "-", "text:-", stdin=vendor_image())
    assert (done.returncode, done.stdout) == (0, TEXTS)
    assert cli("convert", "-", "text:-", stdin=vendor_image()).out == TEXTS.decode()
    assert cli.names() == []
    done = cli.process("convert", "text:-", "-", stdin=TEXTS)
    assert settled(done.stdout) == settled(saved(toy_registry(), {toys.NOTES: states()[toys.NOTES]}))


def test_into_a_machine(cli: Cli) -> None:
    """Both are paused and given back, and published when all is well."""
    assert cli("convert", f"toy:{cli.machine()}", "toy:" + str(cli.path("n.toy"))).code == 0
    assert from_json(cli.path("n.toy").read_text()) == vendor_states()
    assert cli.log() == ["pause", "unpause", "close"]
    assert cli.log("n.toy") == ["prepare", "commit"]
    plain = cli.file("a.v10", saved(toy_registry(), {toys.CLOCK: toys.Clock(5)}, Images.PLAIN))
    assert cli("convert", plain, "toy:" + str(cli.path("o.toy"))).code == 0
    assert from_json(cli.path("o.toy").read_text())[toys.CLOCK] == toys.Clock(5)


@pytest.mark.parametrize("goal", ["a.dctx", "text:a.text", "toy:n.toy"])
def test_a_source_that_fails_leaves_nothing(cli: Cli, goal: str) -> None:
    """Of any kind of goal."""
    path = cli.machine()
    ran = cli("convert", "-O", "fail=unpause", f"toy:{path}", goal)
    assert (ran.code, cli.names()) == (6, ["m.toy"])
    assert "the toy cannot unpause" in ran.err


def test_a_format_that_fails_leaves_nothing(cli: Cli) -> None:
    """Its plugin is named, and the source given back."""
    path = cli.file("a.dctx", vendor_image())
    for goal in ("text:a.text", "text:-"):
        ran = cli("convert", "-O", "fail=x", path, goal)
        assert (ran.code, cli.names()) == (70, ["a.dctx"])
        assert "plugin domctx:toys: KeyError: 'no such thing'\n  this is a bug in domctx" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["m.toy", "a.text"], 2, "a.text: exists already"),
        (["m.toy", "text:a.text"], 2, "a.text: exists already"),
        (["m.toy", "in:x"], 2, "in:x: in: is not a machine to load into"),
        (["out:m.toy", "x"], 2, "out:m.toy: out: cannot be read"),
        (["-O", "speed=1", "m.toy", "x"], 2, "there is no option 'speed' here"),
        (["--drop", "note", "m.toy", "x"], 2, "there is no state 'note' to drop"),
        (["--drop", "notes", "m.toy", "text:x"], 2, "--drop goes with an image or a machine, text: is written whole"),
        (["m.toy", "nothing:x"], 2, "unknown scheme 'nothing'"),
        (["missing", "x"], 6, "missing: No such file or directory"),
    ],
)
def test_wrong_use(cli: Cli, arguments: list[str], code: int, message: str) -> None:
    """Is refused before the source is touched."""
    cli.machine()
    cli.file("a.text", TEXTS)
    ran = cli("convert", *arguments)
    assert (ran.code, cli.names(), "pause" in cli.log()) == (code, ["a.text", "m.toy"], False)
    assert message in ran.err


def test_force_replaces_what_exists(cli: Cli) -> None:
    """When all is well."""
    cli.file("a.text", b"TEXTold")
    assert cli("convert", "--force", cli.machine(), "text:a.text").code == 0
    assert cli.path("a.text").read_bytes() == TEXTS
    cli.file("b.toy", b"{}")
    assert cli("convert", "--force", "m.toy", "toy:" + str(cli.path("b.toy"))).code == 0


def test_states_may_be_dropped(cli: Cli) -> None:
    """On the way into an image and into a machine."""
    path = cli.machine()
    assert "state 'notes' is dropped" in cli("convert", "--drop", "notes", path, "a.dctx").err
    assert cli("convert", "--drop", "notes", path, "toy:" + str(cli.path("n.toy"))).code == 0
    assert toys.NOTES not in from_json(cli.path("n.toy").read_text())


def test_octets_to_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A format writes to standard output what it writes to a file; so does an image."""
    cli = over_toys(tmp_path, monkeypatch, capfdbinary)
    assert cli("convert", cli.machine(), "out:-").octets == b"TEXToneTEXTTEXTthree and four!!"
    assert cli.log() == ["pause", "unpause", "close"]
    cli("convert", cli.machine(), f"text:{tmp_path / 't'}")
    assert (tmp_path / "t").read_bytes() == b"TEXToneTEXTTEXTthree and four!!"
    assert split(cli("convert", cli.machine(), "-").octets)[-1].type == 0
    assert cli.files() == ["m", "t"]


def test_a_writer_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A bug of a format is told with its plugin's name, on either goal; no file appears."""
    cli = over_toys(tmp_path, monkeypatch, capfdbinary)
    image = cli.image()
    for goal in (f"text:{tmp_path / 't'}", "text:-"):
        told = cli.refused(70, "convert", "-O", "fail=yes", image, goal)
        assert "domctx:toys" in told
        assert "KeyError: 'no such thing'" in told
    assert cli.files() == ["a.dctx"]


def test_a_source_that_cannot_be_paused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """It is refused, closed and not given back, as it was never taken."""
    cli = over_toys(tmp_path, monkeypatch, capfdbinary)
    assert "the toy cannot pause" in cli.refused(6, "convert", "-O", "fail=pause", cli.machine(), f"out:{tmp_path}/t")
    assert cli.log() == ["pause", "close"]
    assert cli.files() == ["m"]


@pytest.mark.parametrize("goal", ["out:{}/t", "out:-", "{}/t"])
def test_a_source_that_cannot_be_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], goal: str
) -> None:
    """What was written of it gets no name, and no end."""
    cli = over_toys(tmp_path, monkeypatch, capfdbinary)
    told = cli.refused(6, "convert", "-O", "fail=unpause", cli.machine(), goal.format(tmp_path))
    assert "the toy cannot unpause" in told
    assert cli.files() == ["m"]


@pytest.mark.parametrize(("goal", "name"), [("a.dctx", "a.dctx"), ("text:a.text", "a.text"), ("toy:n.toy", "n.toy")])
def test_a_domain_that_waits_is_told_when_its_state_is_safe(cli: Cli, goal: str, name: str) -> None:
    """That is when the goal has its name, whatever its kind."""
    assert cli("convert", cli.machine("keeper.toy"), goal.replace("toy:", f"toy:{cli.folder}/")).code == 0
    events = cli.log("keeper.toy")
    assert events[-2:] == [f"saved:{name}", "close"]
