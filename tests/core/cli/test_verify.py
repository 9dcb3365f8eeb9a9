"""Tests of ``domctx verify``."""

from __future__ import annotations

import json

import pytest

from domctx.api import Images
from helpers import toy_vendor, toys
from helpers.toy_cli import Cli
from helpers.toy_images import SMALLEST, resealed, saved, states, toy_registry, vendor_image


def damaged() -> bytes:
    """An image with two wrong digests."""
    octets = bytearray(vendor_image())
    for body in (b"three and four!!", b"marked"):
        octets[octets.index(body)] ^= 1
    return bytes(octets)


def test_good_files(bare: Cli) -> None:
    """Of ours, plain, and of another format; what no check covers is said."""
    plain = saved(toy_registry(), states(), Images.PLAIN)
    names = [bare.file("a.dctx", vendor_image()), bare.file("b.v10", plain), bare.file("c.text", b"TEXTone")]
    ran = bare("verify", *names, bare.machine(states=states()))
    assert ran.code == 0
    assert ran.out.splitlines() == [
        f"{names[0]}: good",
        f"{names[1]}: good",
        f"{names[1]}: not covered by a check: bodies, headers and padding",
        f"{names[2]}: good",
        f"{names[2]}: not covered by a check: the rest",
        f"{bare.path('m.toy')}: good",
        f"{bare.path('m.toy')}: not covered by a check: the whole file",
    ]
    assert ran.err == f"domctx: type 0x{toy_vendor.MARK_CODE | 1 << 31:08x}[5] is optional and unknown: digest only\n"


def test_damage_is_named(cli: Cli) -> None:
    """Every group that is damaged, with its place; the other files are looked at all the same."""
    bad, good = cli.file("a.dctx", damaged()), cli.file("b.dctx", vendor_image())
    ran = cli("verify", bad, good)
    lines = ran.out.splitlines()
    assert (ran.code, len(lines)) == (1, 3)
    assert lines[0].startswith(f"{bad}: falls short: {bad} at 0x")
    assert "in NOTES[0]: the digest is wrong: the record is damaged" in lines[0]
    assert "in acme/mark[5]: the digest is wrong" in lines[1]
    assert lines[2] == f"{good}: good"


def test_json(cli: Cli) -> None:
    """Files, problems and coverage."""
    bad, good = cli.file("a.dctx", damaged()), cli.file("b.dctx", vendor_image())
    ran = cli("verify", "--json", bad, good)
    first, second = json.loads(ran.out)["files"]
    assert (ran.code, first["good"], second["good"]) == (1, False, True)
    assert [problem["record"] for problem in first["problems"]] == ["NOTES[0]", "acme/mark[5]"]
    assert {problem["exit_code"] for problem in first["problems"]} == {3}
    assert second["octets"] == len(vendor_image())
    assert second["records"] == 11
    assert second["coverage"][0] == {"part": "bodies, headers and padding", "check": "BLAKE3 digests"}


@pytest.mark.parametrize("arguments", [["-"], ["dctx:-"]])
def test_a_pipe(cli: Cli, arguments: list[str]) -> None:
    """In one pass."""
    assert cli("verify", *arguments, stdin=vendor_image()).code == 0
    assert cli("verify", *arguments, stdin=SMALLEST).code == 0
    ran = cli("verify", *arguments, stdin=vendor_image()[:-1])
    assert ran.code == 1
    assert "falls short: standard input at 0x" in ran.out
    assert cli("verify", "text:-", stdin=b"TEXTone").code == 0


def test_a_pipe_is_read_once(cli: Cli) -> None:
    """Who asks for it again gets what is left of it, which is nothing."""
    ran = cli("verify", "-", "-", stdin=vendor_image())
    assert (ran.code, ran.out.splitlines()[0]) == (1, "-: good")
    assert "got an empty file" in ran.out


def test_a_pipe_of_another_format(cli: Cli) -> None:
    """Is told by its magic, as a file is; what is nobody's falls short, also where there is next to nothing."""
    ran = cli("verify", "-", stdin=b"TEXT" + b"one" * 1000)
    assert (ran.code, ran.out.splitlines()) == (0, ["-: good", "-: not covered by a check: the rest"])
    for octets in (b"\x7fELF", b"", b"NONE" * 100):
        ran = cli("verify", "-", stdin=octets)
        assert ran.code == 1
        assert "standard input: no format is known that begins so" in ran.out


def test_bodies_are_decoded(cli: Cli) -> None:
    """Though their digests are right."""
    ran = cli("verify", cli.file("a.dctx", resealed(vendor_image(), 2, body=bytes(5))))
    assert ran.code == 1
    assert "in DIAL[0]: DialBody: the body is too short" in ran.out


def test_digests_alone(cli: Cli) -> None:
    """Damage is found as ever, also through a pipe; what nobody decodes is said, and good whatever it holds."""
    bad, odd = cli.file("a.dctx", damaged()), cli.file("b.dctx", resealed(vendor_image(), 2, body=bytes(5)))
    ran = cli("verify", "--digests", bad, odd)
    lines = ran.out.splitlines()
    rest = "not covered by a check: what records mean"
    assert (ran.code, lines[2:]) == (1, [f"{bad}: {rest}", f"{odd}: good", f"{odd}: {rest}"])
    assert "in NOTES[0]: the digest is wrong: the record is damaged" in lines[0]
    assert "in acme/mark[5]: the digest is wrong" in lines[1]
    assert cli("verify", "--digests", "-", stdin=vendor_image()).out == f"-: good\n-: {rest}\n"
    assert cli("verify", "--digests", "-", stdin=damaged()).code == 1


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (vendor_image()[:-1], "the image has a MANIFEST but no DIRECTORY: it is damaged or was cut"),
        (b"\x7fELF", "no format is known that begins so"),
        (b"", "no format is known that begins so; got an empty file"),
    ],
)
def test_files_that_are_not_whole_fall_short(cli: Cli, octets: bytes, message: str) -> None:
    """Or are nobody's."""
    ran = cli("verify", cli.file("a", octets))
    assert ran.code == 1
    assert message in ran.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing"], 6, "missing: No such file or directory"),
        (["."], 2, ".: is a folder"),
        (["-O", "x=1", "a.v10"], 2, "there is no option 'x' here"),
        ([], 2, "Missing argument 'FILES...'"),
        (["out:a.v10"], 2, "out:a.v10: out: cannot be read"),
        (["--digests", "a.v10"], 2, "a plain v10 image has no digests"),
        (["--digests", "text:a.v10"], 2, "text: has no digests of domctx's\n  omit --digests"),
    ],
)
def test_what_says_nothing_about_a_file(cli: Cli, arguments: list[str], code: int, message: str) -> None:
    """Is an error, not a file that falls short."""
    cli.file("a.v10", SMALLEST)
    ran = cli("verify", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err


def test_the_others_are_looked_at_all_the_same(cli: Cli) -> None:
    """Where a file cannot be read; that counts for more than one that falls short."""
    names = [cli.file("a.dctx", vendor_image()), str(cli.path("missing")), cli.file("b.dctx", damaged())]
    ran = cli("verify", *names)
    assert (ran.code, ran.err) == (6, f"domctx: {names[1]}: No such file or directory\n")
    assert [line.partition(":")[0] for line in ran.out.splitlines()] == [names[0], names[2], names[2]]
    told = json.loads(cli("verify", "--json", *names).out)["files"]
    assert [(row["file"], row["good"]) for row in told] == [(names[0], True), (names[1], False), (names[2], False)]
    assert [problem["exit_code"] for problem in told[1]["problems"]] == [6]


def test_newer_images_may_be_allowed(cli: Cli) -> None:
    """And a machine that is broken falls short."""
    path = cli.file("a", SMALLEST[:16] + bytes([5, 0, 0, 0, 0, 0, 0, 0]) + SMALLEST[24:])
    assert (cli("verify", path).code, cli("verify", "--allow-newer", path).code) == (1, 0)
    ran = cli("verify", "-O", "fail=pause", cli.machine(states={toys.DIAL: toys.Dial()}))
    assert ran.code == 1
    assert "m.toy: falls short: " in ran.out
    assert "the toy cannot pause" in ran.out
