"""Tests of ``domctx info``."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from domctx.api import Machine, Placement, RamBlock
from domctx.cli.info import describe_machine, lines
from domctx.save import save
from domctx.sinks import BytesSink
from helpers.toy_cli import Cli
from helpers.toy_images import SMALLEST, records_of, states, toy_registry, vendor_image
from helpers.toy_machines import ToyDomain


def info(cli: Cli, *arguments: str, **more: Any) -> Any:
    """What it tells, as JSON."""
    ran = cli("info", "--json", *arguments, **more)
    assert (ran.code, ran.err) == (0, "")
    return json.loads(ran.out)


def test_an_image_of_ours(bare: Cli) -> None:
    """From MANIFEST and DIRECTORY: the vendor's types by the names that they have there."""
    octets = vendor_image()
    told = info(bare, bare.file("a.dctx", octets))
    assert told == info(bare, "dctx:" + str(bare.path("a.dctx"))) | {"file": str(bare.path("a.dctx"))}
    assert (told["format"], told["octets"], told["format_version"]) == ("dctx", len(octets), [1, 0])
    assert told["machine"]["name"] == "toy"
    assert told["machine"]["memory"] == 1 << 16
    rows = {row["name"]: row for row in told["records"]}
    assert rows["NOTES"] == {
        "code": 0x1E010, "name": "NOTES", "records": 3, "octets": 24 + 16 + 32, "version": 1,
        "distribution": "domctx 1.5", "transforms": [],
    }  # fmt: skip
    assert rows["acme/mark"]["distribution"] == "acme 1.5"
    assert sum(row["octets"] for row in told["records"]) == sum(len(r.octets()) for r in records_of(octets))


def test_a_plain_image(cli: Cli) -> None:
    """The smallest too."""
    told = info(cli, cli.file("a.v10", SMALLEST))
    assert told == {
        "file": str(cli.path("a.v10")),
        "format": "dctx (plain v10)",
        "octets": 40,
        "records": [{"code": 1, "name": "START", "records": 1, "octets": 24}],
    }


def test_standard_input(cli: Cli) -> None:
    """Ours, and another format; a file that is called - is another thing."""
    cli.file("-", b"TEXT")
    assert info(cli, "-", stdin=SMALLEST)["octets"] == 40
    assert info(cli, "-", stdin=b"TEXTone")["format"] == "text"
    assert info(cli, "./-")["format"] == "text"


def test_another_format(cli: Cli) -> None:
    """Its machine, and which states it has."""
    told = info(cli, cli.machine(states=states()))
    assert told["format"] == "toy"
    assert told["machine"]["vcpus"] == [0]
    assert told["states"] == ["dial", "notes", "lamps", "bulk", "toy_clock"]
    assert told["notes"] == []
    assert told["populated"] is None
    assert cli.log() == ["close"]


def test_for_people(cli: Cli) -> None:
    """Line by line; nothing that a terminal obeys."""
    odd = attrs.evolve(ToyDomain({}).machine, name="to\x1b[31my\u202e")
    sink = BytesSink()
    save(ToyDomain(states(), machine=odd), sink, toy_registry())
    ran = cli("info", cli.file("a.dctx", bytes(sink.octets)))
    assert "format:          dctx\n" in ran.out
    assert "  name:            to\\x1b[31my\\u202e\n" in ran.out
    assert "  code 122,896  name NOTES  records 3  octets 72  version 1" in ran.out
    assert "\x1b" not in ran.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing"], 6, "missing: No such file or directory"),
        (["a.elf"], 5, "no format is known that begins so; got 7f 45 4c 46"),
        (["-O", "x=1", "a.v10"], 2, "there is no option 'x' here"),
        (["cut.v10"], 3, "cut.v10 at 0x0000000000000018 in MANIFEST[0]: the file ends inside a record header"),
        (["newer.v10"], 5, "the image follows newer record definitions; expected at most 4.15, got 5.0"),
    ],
)
def test_what_cannot_be_told(cli: Cli, arguments: list[str], code: int, message: str) -> None:
    """Is refused with its place."""
    cli.file("a.elf", b"\x7fELF")
    cli.file("a.v10", SMALLEST)
    cli.file("cut.v10", SMALLEST[:-1])
    cli.file("newer.v10", SMALLEST[:16] + bytes([5, 0, 0, 0, 0, 0, 0, 0]) + SMALLEST[24:])
    ran = cli("info", *arguments)
    assert ran.code == code
    assert message in ran.err
    assert cli("info", "--allow-newer", "newer.v10").code == 0


def test_an_image_by_its_options_is_refused_as_any(cli: Cli) -> None:
    """An option that nobody declares is one, whatever the file."""
    assert cli("info", "-O", "fail=", cli.machine()).code == 0
    assert cli("info", "-O", "fail=", cli.file("a.v10", SMALLEST)).code == 2


def test_lines_and_machines() -> None:
    """Lists of lists, numbers with commas, truth as it is; what is empty is left out."""
    machine = Machine("m", "i386", blocks=(RamBlock("r", 4096, 12, (Placement(0, 0, 4096),)),))
    assert describe_machine(machine)["memory"] == 4096
    text = list(lines({"a": {"b": 1000}, "rows": [{"x": [1, 2], "y": {"z": None, "w": True}}], "none": None, "no": []}))
    assert text == ["a:", "  b:               1,000", "rows:", "  x 1, 2  y (w True)"]
