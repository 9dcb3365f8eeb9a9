"""Tests of ``domctx show``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domctx.cli.show import lines
from helpers import toys
from helpers.toy_cli import Cli
from helpers.toy_images import SMALLEST, saved, states, toy_registry, vendor_image


def test_all_records(bare: Cli) -> None:
    """Field by field; who can read the unknown ones is noted."""
    ran = bare("show", bare.file("a.dctx", vendor_image()))
    assert ran.code == 0
    text = ran.out.splitlines()
    dial = next(n for n, line in enumerate(text) if line.startswith("DIAL[0]  type 0x0001e000  offset 0x"))
    assert text[dial].endswith("  6 octets")
    assert text[dial + 1 : dial + 3] == ["  value: 42 (0x2a)", "  scale: 5"]
    assert text[-1].startswith("acme/mark[5]  type 0x00020010  offset 0x")
    assert ran.err == "domctx: acme/mark can be read by the distribution acme 1.5: install it, or enable it\n"


def test_one_record(cli: Cli) -> None:
    """By type and instance; numbers of any base."""
    path = cli.file("a.dctx", vendor_image())
    ran = cli("show", path, "notes:0x2")
    assert ran.out.splitlines()[1:] == [f"  octets: {b'three and four!!'.hex()}"]
    assert len(cli("show", path, "NOTES").out.splitlines()) == 6
    told = json.loads(cli("show", "--json", path, "CLOCK").out)
    assert told["file"] == path
    assert [row["value"] for row in told["records"]] == [{"ticks": 0x1122}]


DERIVING = """
from domctx.api import StateProvider
from domctx.hookspecs import hookimpl
from helpers import toys

def notes(target):
    dial = target.state(toys.DIAL)
    return toys.Notes([str(dial.body.value).encode()]) if dial is not None else None

@hookimpl
def domctx_state_providers():
    return [StateProvider(toys.NOTES, notes, owned=False)]
"""


def test_a_derived_state(cli: Cli) -> None:
    """Is shown as its records would be; they stand nowhere."""
    plugin = cli.file("deriving.py", DERIVING.encode())
    image = cli.file("a.dctx", saved(toy_registry(), {toys.DIAL: states()[toys.DIAL]}))
    ran = cli("--plugin", plugin, "show", image, "NOTES")
    assert (ran.code, ran.err) == (0, "")
    head, octets = ran.out.splitlines()
    assert head.startswith("NOTES[0]")
    assert "derived from other records" in head
    assert octets == f"  octets: {b'42'.hex()}"


def test_any_format_is_shown_as_an_image(cli: Cli) -> None:
    """A machine, a file, a pipe; the smallest image shows nothing."""
    ran = cli("show", f"toy:{cli.machine()}", "DIAL")
    assert "  value: 42 (0x2a)" in ran.out
    assert cli.log() == ["pause", "unpause", "close"]
    assert b"one".hex() in cli("show", cli.file("a.text", b"TEXTone")).out
    assert b"two".hex() in cli("show", "-", stdin=b"TEXTtwo").out
    ran = cli("show", cli.file("a.v10", SMALLEST))
    assert (ran.code, ran.out) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a.dctx", "CPU"], 2, "a.dctx: there is no record CPU\n  the file has DIAL, NOTES"),
        (["a.dctx", "NOTES:9"], 2, "there is no record NOTES:9"),
        (["a.dctx", "NOTES:x"], 2, "'x' is not an instance\n  write TYPE:NUMBER, for instance CPU:0"),
        (["a.dctx", "NOTES:"], 2, "'' is not an instance"),
        (["-O", "x=1", "a.dctx"], 2, "there is no option 'x' here"),
        (["missing"], 6, "missing: No such file or directory"),
    ],
)
def test_wrong_use(cli: Cli, arguments: list[str], code: int, message: str) -> None:
    """Is refused, with what would be right."""
    cli.file("a.dctx", vendor_image())
    ran = cli("show", *arguments)
    assert ran.code == code
    assert message in ran.err


def test_one_type_of_what_is_no_image(cli: Cli) -> None:
    """Only its state is asked for, and nobody is told of the others; a type that is not there is refused."""
    machine = cli.machine(states={toys.DIAL: toys.Dial(toys.DialBody(7)), toys.CLOCK: toys.Clock(5)})
    ran = cli("show", machine, "DIAL")
    assert (ran.code, ran.err) == (0, "")
    assert "value: 7" in ran.out
    assert "ticks" not in ran.out
    assert "offset" not in ran.out
    ran = cli("show", machine, "NOTES")
    assert (ran.code, "the file has DIAL, CLOCK" in ran.err) == (2, True)


def test_damage_is_noted(cli: Cli) -> None:
    """And shown."""
    octets = bytearray(vendor_image())
    octets[octets.index(b"three and four!!")] ^= 1
    ran = cli("show", cli.file("a.dctx", bytes(octets)), "NOTES:2")
    assert b"uhree".hex() in ran.out
    assert "in NOTES[0]: the digest is wrong: the record is damaged" in ran.err


def test_lines() -> None:
    """Of values within values."""
    value: dict[str, Any] = {"a": [1, {"b": 2}, []], "c": {}, "d": "x", "e": None}
    assert list(lines(value, "")) == ["a:", "  [0]: 1", "  [1]:", "    b: 2", "  [2]: []", "c: {}", "d: x", "e: None"]
    assert list(lines(["x"], " ")) == [" [0]: x"]
    assert list(lines(7, " ")) == [" 7"]
    assert list(lines(None, " ")) == []
    assert next(iter(lines("f" * 200, ""))).endswith("... (100 octets, all of them with --json)")
