"""Tests of ``domctx load``."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.api import Images
from helpers import toy_vendor, toys
from helpers.toy_cli import Cli
from helpers.toy_images import SMALLEST, resealed, saved, toy_registry, vendor_image, vendor_states
from helpers.toy_machines import from_json

PLAIN = saved(toy_registry(), {toys.CLOCK: toys.Clock(77)}, Images.PLAIN)


def states_of(path: Path) -> object:
    """The states of a toy machine."""
    return from_json(path.read_text())


def test_a_file_is_loaded(cli: Cli) -> None:
    """Into a new machine."""
    ran = cli("load", cli.file("a.dctx", vendor_image()), "toy:" + str(cli.path("n.toy")))
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert states_of(cli.path("n.toy")) == vendor_states()
    assert cli.log("n.toy") == ["prepare", "commit"]


def test_a_pipe_is_loaded(cli: Cli) -> None:
    """To the same state."""
    ran = cli("load", "dctx:-", "toy:" + str(cli.path("n.toy")), stdin=vendor_image())
    assert ran.code == 0
    assert states_of(cli.path("n.toy")) == vendor_states()


def test_what_nobody_knows_is_said(bare: Cli) -> None:
    """Unless notes are not wanted."""
    path = bare.file("a.dctx", vendor_image())
    ran = bare("load", path, "toy:" + str(bare.path("n.toy")))
    assert ran.err == f"domctx: type 0x{toy_vendor.MARK_CODE | 1 << 31:08x}[5] is optional and unknown: skipped\n"
    assert bare("--quiet", "load", path, "toy:" + str(bare.path("o.toy"))).err == ""


def test_a_plain_image_goes_into_a_machine_that_exists(cli: Cli) -> None:
    """From a file and from a pipe; what else it has stays."""
    machine = "toy:" + cli.machine(states={toys.DIAL: toys.Dial(), toys.CLOCK: toys.Clock(1)})
    assert cli("load", cli.file("a.v10", PLAIN), machine).code == 0
    assert states_of(cli.path("m.toy")) == {toys.DIAL: toys.Dial(), toys.CLOCK: toys.Clock(77)}
    assert cli("load", "-", machine, stdin=SMALLEST).code == 0
    assert states_of(cli.path("m.toy")) == {toys.DIAL: toys.Dial(), toys.CLOCK: toys.Clock(77)}
    assert cli.log() == ["commit", "commit"]


def damaged() -> bytes:
    """An image with a wrong digest."""
    octets = bytearray(vendor_image())
    octets[octets.index(b"three and four!!")] ^= 1
    return bytes(octets)


BAD_PLAIN = PLAIN[:32] + (7).to_bytes(8, "little") + PLAIN[40:]


@pytest.mark.parametrize(
    ("octets", "code", "message"),
    [
        (damaged(), 3, "in NOTES[0]: the digest is wrong: the record is damaged"),
        (vendor_image()[:-1], 3, "the image has a MANIFEST but no DIRECTORY: it is damaged or was cut"),
        (resealed(vendor_image(), 2, type=0x1E0F0), 5, "unknown record type"),
        (BAD_PLAIN, 4, "a clock has eight octets; expected 8, got 7"),
    ],
)
def test_a_file_that_is_not_good_touches_nothing(cli: Cli, octets: bytes, code: int, message: str) -> None:
    """The target is not even made."""
    ran = cli("load", cli.file("a.dctx", octets), "toy:" + str(cli.path("n.toy")))
    assert (ran.code, cli.names(), cli.log("n.toy")) == (code, ["a.dctx"], [])
    assert message in ran.err
    assert "a.dctx at 0x" in ran.err


def test_a_body_that_cannot_be_decoded_aborts_the_target(cli: Cli) -> None:
    """Though its digest is right."""
    octets = resealed(vendor_image(), 2, body=bytes(5))
    ran = cli("load", cli.file("a.dctx", octets), "toy:" + str(cli.path("n.toy")))
    assert ran.code == 4
    assert "in DIAL[0]: DialBody: the body is too short" in ran.err
    assert (cli.names(), cli.log("n.toy")) == (["a.dctx"], ["prepare", "abort"])


@pytest.mark.parametrize("size", [0, 10, 40, 1500, -1])
def test_a_pipe_whose_writer_dies(cli: Cli, size: int) -> None:
    """Leaves no machine: none is made before the head is good, and one that was made is aborted."""
    ran = cli("load", "-", "toy:" + str(cli.path("n.toy")), stdin=vendor_image()[:size])
    assert ran.code == 3
    assert ran.err.startswith("domctx: standard input at 0x")
    assert cli.names() == []
    assert cli.log("n.toy") == ([] if 0 <= size <= 40 else ["prepare", "abort"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a.dctx", "b.dctx"], 2, "b.dctx: is not a machine to load into\n  write its scheme, for instance sim:DIR"),
        (["a.dctx", "dctx:b"], 2, "dctx:b: is not a machine to load into"),
        (["a.dctx", "text:b"], 2, "text:b: text: is not a machine to load into"),
        (["a.v10", "text:b"], 2, "text: cannot be loaded into while it exists\n  a plain v10 image has no memory"),
        (["a.text", "toy:n"], 2, "a.text: is no image but text\n  use `domctx convert a.text toy:n`"),
        (["text:a.dctx", "toy:n"], 2, "text:a.dctx: is no image but text"),
        (["-O", "speed=1", "a.dctx", "toy:n"], 2, "there is no option 'speed' here"),
        (["-O", "fail=now", "a.dctx", "toy:n"], 2, "option 'fail' has a wrong value"),
        (["missing", "toy:n"], 6, "missing: No such file or directory"),
        (["a.dctx", "toy:m.toy"], 6, "m.toy: exists already"),
    ],
)
def test_wrong_use(cli: Cli, arguments: list[str], code: int, message: str) -> None:
    """Is refused, and nothing is made."""
    cli.file("a.dctx", vendor_image())
    cli.file("a.v10", PLAIN)
    cli.file("a.text", b"TEXT")
    cli.machine()
    ran = cli("load", *arguments)
    assert (ran.code, cli.names()) == (code, ["a.dctx", "a.text", "a.v10", "m.toy"])
    assert message in ran.err


def test_a_state_that_is_none_is_not_dropped(cli: Cli) -> None:
    """A name that is misspelt is refused before the target is made."""
    goal = "toy:" + str(cli.path("n.toy"))
    ran = cli("load", "--drop", "note", cli.file("a.dctx", vendor_image()), goal)
    assert (ran.code, cli.names()) == (2, ["a.dctx"])
    assert "there is no state 'note' to drop" in ran.err


def test_an_option_may_stand_for_the_target(cli: Cli) -> None:
    """What its format makes of it is loaded; a stream is refused, and an option that says no is none."""
    path = cli.file("a.dctx", vendor_image())
    assert cli("load", path, "--fresh").code == 0
    assert states_of(cli.path("fresh.toy")) == vendor_states()
    ran = cli("load", "-", "--fresh", stdin=vendor_image())
    assert (ran.code, "is checked whole before: a stream cannot be" in ran.err) == (2, True)
    ran = cli("load", path, "-O", "fresh=no")
    assert (ran.code, "Missing argument 'TARGET'." in ran.err) == (2, True)


def test_what_the_target_lacks_may_be_dropped(cli: Cli) -> None:
    """Newer images may be allowed, and a target that fails says so."""
    octets = resealed(vendor_image(), 0, body=bytes([5, 0, 0, 0, 0, 0, 0, 0]))
    path, goal = cli.file("a.dctx", octets), "toy:" + str(cli.path("n.toy"))
    assert cli("load", path, goal).code == 5
    assert cli("load", "-O", "fail=commit", "--allow-newer", path, goal).code == 6
    ran = cli("load", "--allow-newer", "--drop", "notes", path, goal)
    assert (ran.code, ran.err) == (0, "domctx: NOTES: state 'notes' is dropped\n")
