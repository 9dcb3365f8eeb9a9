"""Real Xen domains looked into through their vCPUs' registers and page tables, as people do it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from domctx.cli.session import Session
from domctx_cpu.show_registers import command as registers
from domctx_memory.read import command as read
from helpers.xen_corpus import XenCorpus

pytestmark = pytest.mark.corpus

PV, MINI, PVH = "xen4.17-pv-linux-40MiB", "xen4.17-pv-mini-4MiB", "xen4.17-pvh-linux-40MiB"


@pytest.fixture(scope="module")
def streams(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> XenCorpus:
    """The corpus, unpacked as it is asked for."""
    return XenCorpus(corpus / "xen", tmp_path_factory.mktemp("xen"))


def virtual(path: Path, address: int, length: int) -> bytes:
    """What ``domctx read --virtual`` tells of a linear address."""
    given = [str(path), f"{address:#x}", str(length), "--virtual", "--json"]
    result = CliRunner().invoke(read, given, obj=Session(), catch_exceptions=False)
    return bytes.fromhex(json.loads(result.stdout)["octets"])


@pytest.mark.parametrize("name", [PV, MINI, PVH])
def test_code_at_the_instruction_pointer_is_what_xenctx_printed(name: str, streams: XenCorpus) -> None:
    """The octets around RIP, through the vCPU's own page tables, are those that Xen's tool read."""
    told = streams.text(name, "xenctx.vcpu0.txt")
    code = re.search(r"Code \(instr addr (\w+)\)\n([^\n]*)", told)
    assert code is not None
    before, at, behind = (bytes.fromhex(part) for part in re.split("[<>]", code[2]))
    start = int(code[1], 16) - len(before)
    octets = before + at + behind
    assert virtual(streams.path(name), start, len(octets)) == octets


@pytest.mark.parametrize("name", [PV, PVH])
def test_the_banner_stands_where_the_kernels_symbols_say(name: str, streams: XenCorpus) -> None:
    """The kernel's banner is read at the linear address of its symbol."""
    banner = streams.check(name)["linux_banner"]
    text = banner["text"].encode()
    assert virtual(streams.path(name), int(banner["vaddr"], 16), len(text)) == text


@pytest.mark.parametrize("name", [PV, MINI, PVH])
def test_registers_are_shown(name: str, streams: XenCorpus) -> None:
    """``domctx registers`` shows a Xen domain's registers as those of any other."""
    given = [str(streams.path(name)), "--json"]
    result = CliRunner().invoke(registers, given, obj=Session(), catch_exceptions=False)
    (vcpu,) = json.loads(result.stdout)["vcpus"]
    rip = re.search(r"rip: (\w+)", streams.text(name, "xenctx.vcpu0.txt"))
    assert rip is not None
    assert int(vcpu["general"]["rip"], 16) == int(rip[1], 16)
