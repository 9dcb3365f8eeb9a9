"""Tests of ``domctx diff``."""

from __future__ import annotations

import json

import pytest

from domctx.cli.diff import _text
from helpers import toys
from helpers.toy_cli import Cli
from helpers.toy_images import vendor_image, vendor_states


def test_equal_states_exit_with_zero(cli: Cli) -> None:
    """An image and the machine that it was saved from; an image and a pipe."""
    image = cli.file("a.dctx", vendor_image())
    ran = cli("diff", image, cli.machine())
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert cli("diff", image, "-", stdin=vendor_image()).code == 0


def test_differences_exit_with_one(cli: Cli) -> None:
    """And are named; what is not counted says so."""
    other = {**vendor_states(), toys.DIAL: toys.Dial(toys.DialBody(43, 5))}
    a, b = cli.machine(), cli.machine("n.toy", other)
    ran = cli("diff", a, b)
    assert (ran.code, ran.out) == (1, "DIAL[0] value: 0x2a -> 0x2b\n")
    told = json.loads(cli("diff", "--json", a, b).out)
    assert told == {
        "a": a,
        "b": b,
        "differences": [{"record": "DIAL[0]", "path": "value", "a": 42, "b": 43, "counted": True}],
        "counted": 1,
    }
    assert cli("save", b, "b.dctx").code == 0
    ran = cli("diff", cli.file("a.dctx", vendor_image()), "b.dctx")
    assert ran.code == 1
    assert "MANIFEST[0] producer" not in ran.out
    missing = cli.machine("o.toy", {key: state for key, state in vendor_states().items() if key is not toys.NOTES})
    assert cli("diff", a, missing).out == "NOTES: present -> absent\n"


def test_what_is_not_counted_does_not_differ(cli: Cli) -> None:
    """When and by whom two images were saved."""
    older = vendor_image()
    assert cli("save", cli.machine(), "b.dctx").code == 0
    ran = cli("diff", cli.file("a.dctx", older), "b.dctx")
    assert ran.code == 0
    assert all(line.endswith("  (not counted)") for line in ran.out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["m.toy", "missing"], 6, "missing: No such file or directory"),
        (["-", "-"], 2, "standard input can be read once only\n  save it to a file first"),
        (["-O", "speed=1", "m.toy", "a.dctx"], 2, "there is no option 'speed' here"),
        (["m.toy", "out:a.dctx"], 2, "out:a.dctx: out: cannot be read"),
    ],
)
def test_wrong_use(cli: Cli, arguments: list[str], code: int, message: str) -> None:
    """Is refused before anything is compared."""
    cli.machine()
    cli.file("a.dctx", vendor_image())
    ran = cli("diff", *arguments, stdin=b"TEXT")
    assert ran.code == code
    assert message in ran.err


def test_options_go_to_the_side_that_declares_them(cli: Cli) -> None:
    """One of the two is enough."""
    ran = cli("diff", "-O", "fail=pause", cli.machine(), cli.file("a.dctx", vendor_image()))
    assert (ran.code, ran.err) == (6, "domctx: the toy cannot pause\n")


def test_values_for_people() -> None:
    """Numbers in hex, of either sign."""
    texts = [_text(value) for value in (None, 10, -10, "x", True, [1])]
    assert texts == ["absent", "0xa", "-0xa", "x", "True", "[1]"]


def test_long_values_are_cut_short_for_people() -> None:
    """A megabyte of a foreign part is not printed twice in a line; how much there is, is said."""
    assert _text("a" * 512) == "a" * 512
    assert _text("ab" * 257) == "ab" * 32 + "... (514 characters, all of them with --json)"
