"""The command line on Xen streams, and a simulated machine that takes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from domctx.api import Machine
from domctx.testing.domains import StatesDomain
from domctx_xen.plugin import coverage
from helpers import xen_streams as xs
from helpers.xen_corpus import run
from helpers.xen_streams import Bits, made


def shown(*arguments: object) -> Any:
    """What a command wrote as JSON."""
    return json.loads(run(*arguments, "--json"))


@pytest.mark.parametrize("name", ["pv64", "libxl-hvm", "xl-pv32"])
def test_streams_are_found_by_their_magic(name: str, tmp_path: Path) -> None:
    """Each framing has its own; ``info`` tells the machine."""
    path = made(*xs.KINDS[name]).write(tmp_path)
    found = shown("info", path)
    assert found["format"] == "xen"
    assert found["machine"]["hypervisor"] == "xen"
    assert found["machine"]["name"] == ("toy" if name == "xl-pv32" else "")


def test_memory_stands_at_the_address_of_its_pfn(tmp_path: Path) -> None:
    """``extract`` and ``read``."""
    path = made(*xs.hvm()).write(tmp_path)
    run("extract", path, "memory", "-o", tmp_path / "ram.raw")
    octets = (tmp_path / "ram.raw").read_bytes()
    assert len(octets) == 5 * 4096
    assert octets[:4096] == xs.page(1)
    assert octets[4 * 4096 :] == xs.page(4)
    assert xs.page(4)[:8].hex(" ") in run("read", path, "0x4000", "16")


def test_states_are_shown(tmp_path: Path) -> None:
    """By field, as records."""
    path = made(*xs.pv(4)).write(tmp_path)
    records = shown("show", path, "TSC_INFO")["records"]
    assert records[0]["value"]["nsec"] == 123_456_789_012
    assert shown("show", path, "CPU")["records"][0]["instance"] == 0
    names = {each["value"]["name"] for each in shown("show", path, "FOREIGN_TAIL")["records"]}
    assert "libxc END" in names


def test_a_stream_from_a_pipe_is_read(tmp_path: Path) -> None:
    """Standard input is spooled, and told apart by its magic."""
    command = [sys.executable, "-m", "domctx.cli.main", "info", "-"]
    done = subprocess.run(command, input=made(*xs.KINDS["xl-hvm"]).octets, capture_output=True, check=True)
    assert b"toy" in done.stdout


def test_a_damaged_stream_is_told_apart_from_a_good_one(tmp_path: Path) -> None:
    """``diff`` finds the page, ``verify`` what falls short: exit code 1 for both, 3 for a cut stream converted."""
    good = made(*xs.hvm()).write(tmp_path, "good.xen")
    other = made(*xs.hvm()[:5], xs.page_data((xs.entry(4), xs.page(9))), *xs.hvm()[5:]).write(tmp_path, "other.xen")
    assert "ram page 0x4" in run("diff", good, other, code=1)
    run("diff", good, good)
    cut = made(*xs.hvm()[:-1]).write(tmp_path, "cut.xen")
    assert "falls short" in run("verify", cut, code=1)
    assert "not read to its end" in " ".join(shown("info", cut)["notes"])
    assert "ends early" in run("convert", cut, tmp_path / "cut.dctx", code=3)
    assert not (tmp_path / "cut.dctx").exists()


def test_only_our_own_domains_have_coverage() -> None:
    """Of another one nothing is told."""
    assert list(coverage(StatesDomain(Machine("x", "i386"), {}))) == []


@pytest.mark.parametrize("width", [8, 4])
def test_a_stream_goes_through_a_simulated_machine(width: int, tmp_path: Path) -> None:
    """Localised into other frames, accepted there, and the same stream again but for the frames of the machine."""
    without: list[Bits] = [*xs.pv_head(width), xs.memory(width, without=()), xs.tsc(), xs.shared_info()]
    path = made(*without, *xs.vcpus(width), xs.END).write(tmp_path)
    run("convert", path, f"sim:{tmp_path / 'machine'}")
    run("convert", f"sim:{tmp_path / 'machine'}", f"xen:{tmp_path / 'back.xen'}")
    run("verify", tmp_path / "back.xen")
    told = run("diff", path, tmp_path / "back.xen", "--json", code=1)
    counted = [each for each in json.loads(told.splitlines()[0])["differences"] if each["counted"]]
    assert {each["record"] for each in counted} <= {"MEMORY"}
