"""``domctx extract``."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from domctx.api import Machine, Placement, RamBlock
from domctx.errors import DomainError, UsageError
from domctx.states import DEVICES, MEMORY, BlockSource, DeviceSection, PageBatch, PageKind
from domctx_memory.extract import device_named
from helpers.memory import Pages, SourceMemory, block_of, machine_of, random_pages
from helpers.memory_cli import LiveDomain, image_of, run, stdout_of

BLOCKS = (
    RamBlock("pc.ram", 1500 << 12, 12, (Placement(0, 0, 160 << 12), Placement(256 << 12, 160 << 12, 1340 << 12))),
    RamBlock("vga/../x", (20 << 12) - 100, 12, (Placement(2000 << 12, 0, (20 << 12) - 100),)),
    RamBlock("rom", 3 << 12),
)
MEMORY_ = SourceMemory(BLOCKS, [random_pages(21, block.pages, 4096) for block in BLOCKS])
MACHINE = machine_of(BLOCKS)


def octets_of(memory: SourceMemory, block: int) -> NDArray[np.uint8]:
    """All octets of a block."""
    return memory.pages[block].contents.reshape(-1)[: memory.blocks[block].size]


def physical(memory: SourceMemory) -> bytes:
    """Guest-physical memory, by the naive road."""
    space = bytearray(max(place.address + place.length for block in memory.blocks for place in block.placements))
    for number, block in enumerate(memory.blocks):
        octets = octets_of(memory, number).tobytes()
        for place in block.placements:
            space[place.address : place.address + place.length] = octets[place.offset : place.offset + place.length]
    return bytes(space)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of the memory above."""
    return image_of(tmp_path_factory.mktemp("extract") / "m.dctx", MACHINE, {MEMORY: MEMORY_})


def test_memory_is_guest_physical_memory(image: Path, tmp_path: Path) -> None:
    """``memory`` is a file in which every octet stands at its guest-physical address, and zeros where no RAM is."""
    out = tmp_path / "m.raw"
    assert run("extract", image, "memory", "-o", out).exit_code == 0
    assert out.read_bytes() == physical(MEMORY_)
    assert out.stat().st_mode & 0o777 == 0o600


def test_standard_output_gets_the_same_octets(image: Path) -> None:
    """``-o -`` writes to standard output what else stands in the file."""
    assert stdout_of("extract", image, "memory", "-o", "-") == physical(MEMORY_)
    assert stdout_of("extract", image, "block:rom", "-o", "-") == octets_of(MEMORY_, 2).tobytes()


class Sourced(SourceMemory):
    """The same memory, of which threads may read every block but one."""

    passing = 1

    def sources(self, pages: int = 1024) -> Iterator[BlockSource | PageBatch]:
        """The blocks in turn; what was read last is wiped when a buffer is used again."""
        for number, found in enumerate(self.pages):
            if number == self.passing:
                yield found.batch(number, 0, 0, len(found.kinds))
            else:
                yield BlockSource(number, functools.partial(self._into, number))

    def _into(self, block: int, first: int, count: int, buffer: NDArray[np.uint8]) -> PageBatch:
        buffer[:] = 0xA5
        batch = self.read(block, first, count)
        pages = buffer[: batch.pages.size].reshape(batch.pages.shape)
        pages[:] = batch.pages
        return PageBatch(block, first, batch.kinds, pages, batch.fills)


def test_blocks_that_threads_read(tmp_path: Path) -> None:
    """What threads read and what passes become one file; a block that was not asked for is not read."""
    domains = {"live": LiveDomain(MACHINE, {MEMORY: Sourced(BLOCKS, MEMORY_.pages)})}
    run("extract", "live", "memory", "-o", tmp_path / "all", domains=domains)
    assert (tmp_path / "all").read_bytes() == physical(MEMORY_)
    run("extract", "live", "block:rom", "-o", tmp_path / "rom", domains=domains)
    assert (tmp_path / "rom").read_bytes() == octets_of(MEMORY_, 2).tobytes()


def test_zeros_stay_holes(tmp_path: Path) -> None:
    """Pages of zeros, and pages without contents, take no place on the disk."""
    block = RamBlock("ram", 64 << 20)
    pages = Pages(np.ones(16384, np.uint8), np.zeros((16384, 4096), np.uint8))
    pages.kinds[5000], pages.contents[5000] = PageKind.FILL, 0xEE
    pages.kinds[6000:] = PageKind.ABSENT
    domain = LiveDomain(machine_of([block]), {MEMORY: SourceMemory([block], [pages])})
    run("extract", "live", "memory", "-o", tmp_path / "sparse", domains={"live": domain})
    found = (tmp_path / "sparse").stat()
    assert found.st_size == 64 << 20
    assert found.st_blocks * 512 <= 64 << 10
    with (tmp_path / "sparse").open("rb") as file:
        file.seek(5000 << 12)
        assert file.read(4096) == b"\xee" * 4096
    assert (domain.paused, domain.given_back) == (1, 1)


def test_a_block_is_extracted_by_its_name(image: Path, tmp_path: Path) -> None:
    """``block:NAME`` gives a block from its start, its own size long; its name never becomes a path."""
    run("extract", image, "block:vga/../x", "-o", tmp_path / "vga")
    assert (tmp_path / "vga").read_bytes() == octets_of(MEMORY_, 1).tobytes()
    assert os.listdir(tmp_path) == ["vga"]
    with pytest.raises(UsageError, match="there is no RAM block 'ram'") as caught:
        run("extract", image, "block:ram", "-o", tmp_path / "ram")
    assert caught.value.hint is not None
    assert "'rom'" in caught.value.hint


def test_nothing_is_overwritten_without_force(image: Path, tmp_path: Path) -> None:
    """A file that exists is kept, unless ``--force`` is given; what fails leaves nothing behind."""
    out = tmp_path / "out"
    out.write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists already"):
        run("extract", image, "block:rom", "-o", out)
    assert out.read_bytes() == b"mine"
    run("extract", image, "block:rom", "-o", out, "--force")
    assert out.read_bytes() == octets_of(MEMORY_, 2).tobytes()
    with pytest.raises(UsageError):
        run("extract", image, "device:cpu", "-o", tmp_path / "cpu")
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("part", ["", "ram", "block:", "device:", "memory:x", "Memory"])
def test_what_is_no_part_is_refused(image: Path, tmp_path: Path, part: str) -> None:
    """Anything but the three kinds of part is refused, saying what to write."""
    with pytest.raises(UsageError, match="is no part"):
        run("extract", image, part, "-o", tmp_path / "out")


def test_a_later_round_replaces_pages(tmp_path: Path) -> None:
    """Pages that a source gives a second time replace those before them, zeros as well."""
    block = block_of(100)

    class Rounds(SourceMemory):
        def batches(self, pages: int = 1024) -> Iterator[PageBatch]:
            yield PageBatch(0, 0, np.zeros(100, np.uint8), np.full((100, 4096), 7, np.uint8))
            yield PageBatch(0, 10, np.array([1, 0, 3], np.uint8), np.full((1, 4096), 9, np.uint8))

    domain = LiveDomain(machine_of([block]), {MEMORY: Rounds([block], [])})
    run("extract", "live", "memory", "-o", tmp_path / "out", domains={"live": domain})
    found = np.fromfile(tmp_path / "out", np.uint8).reshape(100, 4096)[:, 0]
    assert found.tolist() == [7] * 10 + [0, 9, 0] + [7] * 87


def test_devices_are_extracted_by_name_and_instance(tmp_path: Path) -> None:
    """``device:NAME:INSTANCE`` gives a section's octets, and the name alone does where it is the only one."""
    machine = Machine("test", "x86_64")
    sections = [
        DeviceSection("cpu", 0, 12, b"first"),
        DeviceSection("cpu", 1, 12, b"second"),
        DeviceSection("0000:00:02.0/e1000", 0, 3, b"card"),
    ]

    class Sections:
        def __init__(self) -> None:
            self.sections = sections

    domains = {"live": LiveDomain(machine, {DEVICES: Sections()}), "bare": LiveDomain(machine, {})}
    for part, octets in (("cpu:1", b"second"), ("0000:00:02.0/e1000", b"card"), ("0000:00:02.0/e1000:0", b"card")):
        run("extract", "live", f"device:{part}", "-o", tmp_path / "out", "--force", domains=domains)
        assert (tmp_path / "out").read_bytes() == octets
    with pytest.raises(UsageError, match="2 device sections are called 'cpu'") as caught:
        run("extract", "live", "device:cpu", "-o", tmp_path / "none", domains=domains)
    assert caught.value.hint == "choose one of: cpu:0, cpu:1"
    with pytest.raises(UsageError, match="there is no device section 'cpu'") as caught:
        run("extract", "bare", "device:cpu", "-o", tmp_path / "none", domains=domains)
    assert caught.value.hint == "choose one of: none"
    assert domains["live"].paused == domains["live"].given_back == 4


def test_the_list_of_choices_is_bounded() -> None:
    """Of thousands of device sections forty are listed, and the others counted."""
    sections = [DeviceSection("port", number, 1, b"") for number in range(5000)]
    with pytest.raises(UsageError, match="5000 device sections") as caught:
        device_named(sections, "port")
    assert str(caught.value.hint).endswith("port:39 and 4960 more")


def test_a_domain_without_memory_is_refused(tmp_path: Path) -> None:
    """Where there is no memory there is nothing to extract."""
    domains = {"bare": LiveDomain(Machine("test", "x86_64"), {})}
    with pytest.raises(DomainError, match="there is no state 'memory' in it"):
        run("extract", "bare", "memory", "-o", tmp_path / "out", domains=domains)
    assert domains["bare"].given_back == 1
    assert os.listdir(tmp_path) == []


def test_the_disks_refusal_is_told(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told as such, and nothing is left behind."""

    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DomainError, match="No space left"):
        run("extract", image, "memory", "-o", tmp_path / "out")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("part", ["memory", "device:cpu"])
def test_nothing_appears_where_the_source_is_not_given_back(tmp_path: Path, part: str) -> None:
    """What was taken of a guest that did not stand still is nothing that a file may have."""

    class Disturbed(LiveDomain):
        def unpause(self) -> None:
            """Fails."""
            raise DomainError("the guest was continued by somebody else")

    class Sections:
        sections = (DeviceSection("cpu", 0, 12, b"octets"),)

    memory = SourceMemory([block_of(4)], [random_pages(1, 4, 4096)])
    domain = Disturbed(machine_of(memory.blocks), {MEMORY: memory, DEVICES: Sections()})
    with pytest.raises(DomainError, match="continued by somebody else"):
        run("extract", "m", part, "-o", tmp_path / "out", domains={"m": domain})
    assert list(tmp_path.iterdir()) == []
