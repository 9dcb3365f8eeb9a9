"""What QEMU tells of its machine, held against its own stream."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from elftools.elf.elffile import ELFFile

from domctx.api import Placement
from domctx_qemu_stream.blocks import WireBlock
from domctx_qmp.describe import blocks_of, machine_of, memory_lines, placed, plugged_in
from domctx_qmp.monitor import Monitor
from helpers.qemu_corpus import opened
from helpers.real_qemu import BARE, RealQemu

UUID = "11111111-2222-3333-4444-555555555555"
NODES = ("-object", "memory-backend-ram,id=n0,size=2G", "-object", "memory-backend-ram,id=n1,size=2G")
MACHINES = {
    "pc": ("-machine", "pc", "-m", "32", "-device", "VGA", "-uuid", UUID),
    "low": ("-machine", "pc,max-ram-below-4g=1G", "-m", "2G"),
    "q35": ("-machine", "q35", "-m", "3G", "-smp", "2"),
    "microvm": ("-machine", "microvm", "-m", "32"),
    "isapc": ("-machine", "isapc", "-m", "32"),
    "nodes": ("-machine", "pc", "-m", "4G", *NODES, "-numa", "node,memdev=n0", "-numa", "node,memdev=n1"),
}


@pytest.mark.parametrize("name", MACHINES)
def test_it_is_what_the_stream_tells(name: str, tmp_path: Path) -> None:
    """Blocks, places, vCPUs, type; and the uuid, which a stream need not tell."""
    with RealQemu(*BARE, *MACHINES[name], "-S") as qemu:
        qemu.start()
        with Monitor(str(qemu.socket)) as monitor:
            told = machine_of(monitor)
        domain = opened(qemu.save(tmp_path / "vm.mig"))
        assert attrs.evolve(told, command_line=None) == attrs.evolve(
            domain.machine, uuid=UUID if name == "pc" else None
        )
        domain.close()


ODD = {"zeta": 16, "alpha": 32, "beta": 16}
"""Nodes of NUMA in their order, in MiB; QEMU lists their blocks in another, by size."""


def test_nodes_whose_names_tell_no_order() -> None:
    """Stand where QEMU has them."""
    objects = [word for name, size in ODD.items() for word in ("-object", f"memory-backend-ram,id={name},size={size}M")]
    nodes = [word for name in ODD for word in ("-numa", f"node,memdev={name}")]
    with RealQemu(*BARE, "-machine", "pc", "-m", "64", *objects, *nodes, "-S") as qemu:
        qemu.start()
        with Monitor(str(qemu.socket)) as monitor:
            found = {block.name: block.placements for block in machine_of(monitor).blocks if block.placements}
    starts = {"zeta": 0, "alpha": 16 << 20, "beta": 48 << 20}
    assert list(found) != list(ODD)
    assert found == {name: (Placement(start, 0, ODD[name] << 20),) for name, start in starts.items()}


def test_a_node_that_is_called_as_main_memory_is() -> None:
    """Stands where it is, and the other one too."""
    nodes = [("-object", f"memory-backend-ram,id={name},size=16M", "-numa", f"node,memdev={name}") for name in "ba"]
    named = [word.replace("=a", "=ram") for words in nodes for word in words]
    with RealQemu(*BARE, "-machine", "pc", "-m", "32", *named, "-S") as qemu:
        qemu.start()
        with Monitor(str(qemu.socket)) as monitor:
            found = {block.name: block.placements for block in machine_of(monitor).blocks if block.placements}
    assert found == {"b": (Placement(0, 0, 16 << 20),), "ram": (Placement(16 << 20, 0, 16 << 20),)}


NODE = ("-object", "memory-backend-ram,id=node,size=32M", "-numa", "node,memdev=node")
DIMMS = (
    *("-m", "32,slots=2,maxmem=512M", "-object", "memory-backend-ram,id=one,size=64M"),
    *(
        "-object",
        "memory-backend-ram,id=two,size=32M",
        "-device",
        "pc-dimm,memdev=two",
        "-device",
        "pc-dimm,memdev=one",
    ),
)


@pytest.mark.parametrize("machine", [("pc",), ("pc-i440fx-3.1",), ("pc", *NODE)])
def test_dimms_stand_where_they_are_plugged_in(machine: tuple[str, ...], tmp_path: Path) -> None:
    """As QEMU's own dump of the machine has it, segment for segment; also where main memory is an object too."""
    with RealQemu(*BARE, "-machine", *machine, *DIMMS, "-S") as qemu:
        qemu.start()
        with Monitor(str(qemu.socket)) as monitor:
            told = machine_of(monitor)
            monitor.execute("dump-guest-memory", {"paging": False, "protocol": f"file:{tmp_path / 'core'}"})
    with (tmp_path / "core").open("rb") as file:
        segments = [segment.header for segment in ELFFile(file).iter_segments("PT_LOAD")]
    dumped = sorted((header["p_paddr"], header["p_memsz"]) for header in segments)
    places = sorted((place.address, place.length) for block in told.blocks for place in block.placements)
    assert [place for place in dumped if place[0] >= 1 << 32] == [place for place in places if place[0] >= 1 << 32]
    assert len(places) == 3


def test_a_dimm_that_keeps_its_memory() -> None:
    """Stands where it is plugged in, without the label behind its memory."""
    block = WireBlock("mem0", 3 << 20)
    row = {"memdev": "/objects/mem0", "addr": 1 << 32, "size": 2 << 20}
    found = plugged_in([block], [{"type": "nvdimm", "data": row}])
    assert found["mem0"].placements == (Placement(1 << 32, 0, 2 << 20),)


def test_memory_devices_of_other_kinds() -> None:
    """Have no place that is told here, nor has a DIMM whose block is another than was told."""
    block = WireBlock("mem0", 4096)
    row = {"memdev": "/objects/mem0", "addr": 1 << 32, "size": 4096}
    for kind, data in (("sgx-epc", row), ("dimm", row | {"size": 8192}), ("dimm", row | {"memdev": "/objects/mem1"})):
        assert plugged_in([block], [{"type": kind, "data": data}]) == {}


def test_a_guest_that_runs() -> None:
    """Is told to run."""
    with RealQemu(*BARE, "-machine", "microvm", "-m", "16") as qemu:
        qemu.start()
        with Monitor(str(qemu.socket)) as monitor:
            assert machine_of(monitor).run_state == "running"


BLOCKS = """\
              Block Name    PSize              Offset               Used              Total                HVA  RO
                pc.ram    4 KiB  0x0000000000000000 0x0000000100000000 0x0000000100000000 0x00007f0000000000  rw
            a name  b     2 MiB  0x0000000100000000 0x0000000000200000 0x0000000000200000 0x00007f0100000000  rw
                            4 KiB  0x0000000200000000 0x0000000000001000 0x0000000000001000 0x00007f0200000000  ro
"""


def test_blocks_of_later_versions() -> None:
    """Have more columns; blocks without a name are in no stream."""
    assert list(blocks_of(BLOCKS)) == [WireBlock("pc.ram", 1 << 32), WireBlock("a name  b", 2 << 20)]


def test_a_machine_that_is_not_known() -> None:
    """Has its RAM nowhere, rather than where a PC has it."""
    (block,) = placed("virt-7.2", [WireBlock("node0", 1 << 30)], "nothing")
    assert block.placements == ()


def test_a_tree_that_tells_nothing() -> None:
    """Leaves the rules of the machine type."""
    blocks = [WireBlock("pc.ram", 1 << 32)]
    assert memory_lines("nothing") == []
    (block,) = placed("pc-i440fx-7.2", blocks, "nothing")
    assert block.placements[0] == Placement(0, 0, 0xC000_0000)
    tree = 'FlatView #0\n AS "memory", root: system\n  0000000100000000-00000001ffffffff (prio 0, ram): pc.ram KVM\n'
    (block,) = placed("pc-i440fx-7.2", blocks, tree)
    assert block.placements == (Placement(1 << 32, 0, 1 << 32),)
