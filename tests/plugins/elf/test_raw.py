"""Raw memory files."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.api import Coverage, Machine, Placement, RamBlock
from domctx.context import Operation
from domctx.errors import DomainError, UsageError
from domctx.sinks import BytesSink
from domctx.states import DEVICES, MEMORY
from domctx.testing import StatesDomain
from domctx_elf import plugin, raw
from domctx_memory.pages import whole
from helpers.elf_cores import context
from helpers.memory import SourceMemory, random_pages


def test_a_file_is_memory(tmp_path: Path) -> None:
    """From address 0 on; a last page in part has zeros behind."""
    path = tmp_path / "ram"
    path.write_bytes(b"a" * 4096 + b"b" * 10)
    domain = plugin.open_raw(str(path), context("raw"))
    memory = domain.state(MEMORY)
    assert memory is not None
    assert whole(memory.read(0, 0, 2), 4096).tobytes() == b"a" * 4096 + b"b" * 10 + bytes(4086)
    assert domain.machine.blocks == (RamBlock("ram", 4106, 12, (Placement(0, 0, 4106),)),)
    assert domain.owned_states() == (MEMORY,)
    assert domain.state(DEVICES) is None
    domain.pause()
    domain.unpause()
    domain.close()
    path.write_bytes(b"")
    empty = plugin.open_raw(str(path), context("raw"))
    assert (empty.machine.blocks[0].placements, [part.check for part in coverage()]) == ((), [""])
    empty.close()
    with pytest.raises(UsageError):
        plugin.open_raw(str(tmp_path), context("raw"))


def coverage() -> list[Coverage]:
    """What checks cover of a raw file."""
    (format_,) = (each for each in plugin.domctx_formats() if each.scheme == "raw")
    assert format_.coverage is not None
    return list(format_.coverage(StatesDomain(Machine("", ""), {})))


def test_memory_is_written_by_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no RAM is zeros; blocks without a place are named."""
    monkeypatch.setattr(raw, "ZEROS", bytes(3000))
    places = (Placement(0x1000, 0, 4096), Placement(0x4000, 4096, 4096))
    blocks = [RamBlock("ram", 8192, 12, places), RamBlock("rom", 4096)]
    pages = random_pages(2, 2, 4096)
    operation, sink = Operation(), BytesSink()
    domain = StatesDomain(Machine("m", ""), {MEMORY: SourceMemory(blocks, [pages, random_pages(1, 1, 4096)])})
    plugin.write_raw(domain, sink, context("raw", operation))
    octets = pages.contents.tobytes()
    assert sink.octets == bytes(0x1000) + octets[:4096] + bytes(0x2000) + octets[4096:]
    assert "left behind: 'rom'" in operation.notes[0]
    with pytest.raises(DomainError, match="there is no state 'memory' in it"):
        plugin.write_raw(StatesDomain(Machine("m", ""), {}), BytesSink(), context("raw"))
