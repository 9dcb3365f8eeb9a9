"""``domctx read --virtual``: linear addresses through page tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from domctx.errors import DomainError, UsageError
from domctx.states import MEMORY, PageKind
from domctx_x86.states import REGISTERS
from domctx_x86.vcpu import NARROW, Registers
from helpers.memory import Pages, SourceMemory, block_of, machine_of
from helpers.memory_cli import LiveDomain, run

PAGES = 8
CONTENTS = np.zeros((PAGES, 4096), np.uint8)
CONTENTS[5], CONTENTS[3] = 0x55, 0x33
TABLES = CONTENTS.view("<u4")
TABLES[1, 0] = 2 << 12 | 1
TABLES[2, 4:9] = [5 << 12 | 1, 3 << 12 | 1, 0, 0x100 << 12 | 1, 6 << 12 | 1]
KINDS = np.full(PAGES, PageKind.DATA, np.uint8)
KINDS[6] = PageKind.ABSENT


class Told:
    """Two vCPUs: one with paging, one without."""

    def __init__(self) -> None:
        self.vcpus: Mapping[int, Registers] = {
            number: Registers(architecture=NARROW, general={}, segments={}, control={"cr0": cr0, "cr3": 1 << 12})
            for number, cr0 in ((1, 1 << 31 | 1), (4, 1))
        }


def domain(*, told: bool = True) -> LiveDomain:
    """A machine with page tables in its memory."""
    memory = SourceMemory([block_of(PAGES)], [Pages(KINDS, CONTENTS)])
    return LiveDomain(machine_of([block_of(PAGES)]), {MEMORY: memory} | ({REGISTERS: Told()} if told else {}))


def test_octets_come_from_the_frames_that_map_them() -> None:
    """Neighbouring addresses come from frames that are none; the first vCPU is taken where none is named."""
    found = domain()
    value = json.loads(run("read", "m", "0x4ffe", "4", "--virtual", "--json", domains={"m": found}).stdout)
    assert (found.paused, found.given_back) == (1, 1)
    assert (value["vcpu"], value["octets"]) == (1, "55553333")
    assert [row["first"] for row in value["pages"]] == [5, 3]
    told = run("read", "m", "0x4fff", "1", "--virtual", domains={"m": domain()})
    assert told.stdout.startswith("0000000000004fff  55 ")
    value = json.loads(
        run("read", "m", "0x3ffe", "2", "--virtual", "--vcpu", "4", "--json", domains={"m": domain()}).stdout
    )
    assert (value["vcpu"], value["octets"]) == (4, "3333")


def test_pages_without_contents_are_noted() -> None:
    """As they are for physical addresses."""
    result = run("read", "m", "0x8000", "4", "--virtual", domains={"m": domain()})
    assert "pages 0x6-0x6 have no contents" in result.stderr


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("0x5fff", "linear address 0x6000 is not mapped by the vCPU's page tables"),
        ("0x7000", "linear address 0x7000 leads to 0x100000: address 0x100000 is outside of RAM block"),
        ("0xfffffffe", "linear addresses end before; expected up to 0xffffffff"),
    ],
)
def test_an_address_that_leads_nowhere_is_named(address: str, message: str) -> None:
    """Nothing is shown where an octet of it is not mapped, or is no RAM."""
    with pytest.raises(DomainError) as caught:
        run("read", "m", address, "8", "--virtual", domains={"m": domain()})
    assert message in str(caught.value)


def test_wrong_use() -> None:
    """A vCPU that is not there, a machine without registers, options that exclude each other, a wrong number."""
    with pytest.raises(UsageError, match="there is no vCPU 2\n  there are: 1, 4"):
        run("read", "m", "0", "1", "--virtual", "--vcpu", "2", domains={"m": domain()})
    with pytest.raises(DomainError, match="nothing tells of x86 vCPUs' registers"):
        run("read", "m", "0", "1", "--virtual", domains={"m": domain(told=False)})
    blind = domain()
    registers = Registers(architecture=NARROW, general={}, segments={}, control={})
    blind.state(REGISTERS).vcpus = {0: registers}  # type: ignore[union-attr, misc]  # a Told's own
    with pytest.raises(DomainError, match="control registers of vCPU 0"):
        run("read", "m", "0", "1", "--virtual", domains={"m": blind})
    with pytest.raises(UsageError, match="below 1 << 64"):
        run("read", "m", "0x10000000000000000", "1", "--virtual", domains={"m": domain()})
    for options in (["--virtual", "--block", "ram"], ["--vcpu", "1"]):
        assert run("read", "m", "0", "1", *options, domains={"m": domain()}).exit_code == 2


@pytest.mark.corpus
def test_a_64_bit_machine(corpus: Path, tmp_path: Path) -> None:
    """Of a real hypervisor the code where RIP is stands in the direct map of all memory too, at its physical place."""
    from domctx_memory.virtual import LinearSpace, registers_of
    from domctx_qemu_stream.vcpus import provide
    from helpers.qemu_corpus import Corpus, opened

    folder = corpus / "xen" / "qemu7.2-machine-running-xen4.17-192MiB"
    machine = opened(Corpus(folder, tmp_path).path("migrate.stream"))
    memory, registers = machine.state(MEMORY), registers_of(provide(machine), None)[1]
    assert memory is not None
    rip = registers.general["rip"]
    space = LinearSpace(memory, registers)
    (code,) = space.find(rip, 16)
    assert rip >> 48 == 0xFFFF
    direct = (1 << 64) - (1 << 47) + (6 << 39)
    (same,) = space.find(direct + code.offset, 16)
    assert (same.block, same.offset) == (code.block, code.offset)
    machine.close()
