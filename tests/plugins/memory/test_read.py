"""``domctx read``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from domctx.api import Machine, Placement, RamBlock
from domctx.errors import DomainError, UsageError
from domctx.states import MEMORY, PageKind
from helpers.memory import Pages, SourceMemory, machine_of
from helpers.memory_cli import LiveDomain, image_of, run, stdout_of

BLOCKS = (
    RamBlock("pc.ram", 10 << 12, 12, (Placement(0, 0, 4 << 12), Placement(8 << 12, 4 << 12, 6 << 12))),
    RamBlock("vga", 1 << 12, 12, (Placement(4 << 12, 0, 1 << 12),)),
    RamBlock("rom", 1 << 12),
)
KINDS = np.array([0, 1, 2, 0, 0, 3, 6, 0, 0, 0], np.uint8)
CONTENTS = np.arange(10 * 4096).astype(np.uint8).reshape(10, 4096)
CONTENTS[KINDS > 0] = 0
CONTENTS[2] = 0xEE
ONE = np.zeros(1, np.uint8)
VGA = np.bitwise_xor(CONTENTS[3:4], np.uint8(0xFF), dtype=np.uint8)
ROM = np.bitwise_xor(CONTENTS[4:5], np.uint8(0x55), dtype=np.uint8)
MEMORY_ = SourceMemory(BLOCKS, [Pages(KINDS, CONTENTS), Pages(ONE, VGA), Pages(ONE, ROM)])


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of the memory above."""
    return image_of(tmp_path_factory.mktemp("read") / "m.dctx", machine_of(BLOCKS), {MEMORY: MEMORY_})


def test_a_dump_is_shown(image: Path) -> None:
    """Octets are shown as hexdump -C shows them, with their guest-physical addresses."""
    result = run("read", image, "0xffe", "0x22")
    assert result.stdout.splitlines() == [
        "0000000000000ffe  fe ff 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
        "000000000000100e  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
        "000000000000101e  00 00                                             |..|",
        "0000000000001020",
    ]
    assert result.stderr == ""


def test_json_tells_octets_and_pages(image: Path) -> None:
    """``--json`` gives the octets in hexadecimal, and the kinds of the pages that they came from."""
    value = json.loads(run("read", image, "12K", "8K", "--json").stdout)
    assert value["address"] == 12 << 10
    assert value["length"] == 8 << 10
    assert bytes.fromhex(value["octets"]) == CONTENTS[3].tobytes() + VGA.tobytes()
    assert value["pages"] == [
        {"block": "pc.ram", "first": 3, "count": 1, "kind": "data"},
        {"block": "vga", "first": 0, "count": 1, "kind": "data"},
    ]
    value = json.loads(run("read", image, "32K", "24K", "--json").stdout)
    assert [(row["first"], row["count"], row["kind"]) for row in value["pages"]] == [
        (4, 1, "data"),
        (5, 1, "absent"),
        (6, 1, "invalid"),
        (7, 3, "data"),
    ]


def test_raw_octets_are_written(image: Path) -> None:
    """``--raw`` writes the octets themselves to standard output."""
    assert stdout_of("read", image, "8190", "6", "--raw") == b"\0\0\xee\xee\xee\xee"


def test_an_offset_in_a_block(image: Path) -> None:
    """``--block`` makes the address an offset in a block, mapped or not."""
    value = json.loads(run("read", image, "0x10", "4", "--block", "rom", "--json").stdout)
    assert value["octets"] == ROM[0, 16:20].tobytes().hex()
    with pytest.raises(UsageError, match="there is no RAM block"):
        run("read", image, "0", "4", "--block", "nvram")
    with pytest.raises(DomainError, match="outside of RAM block 'rom'"):
        run("read", image, "4095", "2", "--block", "rom")


def test_pages_without_contents_are_noted(image: Path) -> None:
    """Pages that have no contents are shown as zeros, and a note says so."""
    result = run("read", image, "0x9000", "0x2000")
    assert result.stdout.splitlines()[1] == "*"
    assert "pages 0x5-0x6 have no contents (absent, ...)" in result.stderr


def test_addresses_outside_of_ram_are_refused(image: Path) -> None:
    """A range that leaves RAM is refused, and nothing is shown of it."""
    with pytest.raises(DomainError, match=r"address 0x5000 is outside of guest-physical memory"):
        run("read", image, "0x4ff0", "0x20")


def test_wrong_numbers_are_refused(image: Path) -> None:
    """Numbers that are none, and two ways of output at once, are wrong use."""
    with pytest.raises(UsageError, match="is not a number"):
        run("read", image, "0y1000", "4")
    with pytest.raises(UsageError, match="is not a number"):
        run("read", image, "0x1000", "4.5")
    result = run("read", image, "0", "4", "--raw", "--json")
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_a_live_domain_is_given_back() -> None:
    """A live domain is paused while it is read, and given back whatever happens."""
    domains = {
        "live": LiveDomain(machine_of(BLOCKS), {MEMORY: MEMORY_}),
        "bare": LiveDomain(Machine("test", "x86_64"), {}),
    }
    assert run("read", "live", "0", "4", domains=domains).exit_code == 0
    with pytest.raises(DomainError, match="there is no state 'memory' in it"):
        run("read", "bare", "0", "4", domains=domains)
    assert [(domain.paused, domain.given_back) for domain in domains.values()] == [(1, 1), (1, 1)]


def test_pfns_are_addresses_in_a_paravirtualised_guest() -> None:
    """In a guest of one block that has no place, the page of a PFN stands at PFN times the page size."""
    block = RamBlock("ram", 10 << 12)
    domains = {"pv": LiveDomain(machine_of([block]), {MEMORY: SourceMemory([block], [Pages(KINDS, CONTENTS)])})}
    value = json.loads(run("read", "pv", "0x7000", "3", "--json", domains=domains).stdout)
    assert value["octets"] == "000102"
    assert value["pages"] == [{"block": "ram", "first": 7, "count": 1, "kind": PageKind.DATA.name.lower()}]
