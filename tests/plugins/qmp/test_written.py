"""Memory of a QEMU that waits is written where it has it: in shared files, or for itself."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.cli.run import run
from domctx.errors import DomainError
from domctx.states import PageBatch, PageKind
from domctx_qmp.describe import machine_of
from domctx_qmp.monitor import Monitor
from domctx_qmp.written import WrittenFile, written_ram
from helpers.live_loads import image_of, load, save, waiting
from helpers.real_qemu import BARE, RealQemu

PAGE = 4096
MEMORY = 24 << 20


def shared(backend: str) -> tuple[str, ...]:
    """A machine whose RAM is shared."""
    return (*BARE, "-machine", "q35,memory-backend=m", "-m", "24", "-object", f"{backend},id=m,size=24M,share=on")


def node(number: int) -> tuple[str, ...]:
    """A node of NUMA with half of the RAM."""
    backend = f"memory-backend-memfd,id=n{number},size=12M,share=on"
    return ("-object", backend, "-numa", f"node,memdev=n{number}")


@pytest.mark.parametrize("kind", ["memfd", "file", "nodes"])
def test_a_machine_is_loaded_into_shared_memory(kind: str, tmp_path: Path) -> None:
    """Memory and registers are those that were saved; what the file held before is gone; no page is in the stream."""
    ram = tmp_path / "ram"
    args = {
        "memfd": shared("memory-backend-memfd"),
        "file": shared(f"memory-backend-file,mem-path={ram}"),
        "nodes": (*BARE, "-machine", "q35", "-m", "24", *node(0), *node(1)),
    }[kind]
    with RealQemu(*args) as first:
        first.start().wait_written(0, 4096)
        first.qmp("stop")
        memory, registers = first.memory(0, MEMORY), first.registers()
        image = save(first, tmp_path / "a.dctx")
    if kind == "file":
        ram.write_bytes(b"\x5a" * MEMORY)
    with waiting(*args) as second:
        with Monitor(str(second.socket)) as monitor:
            blocks = machine_of(monitor).blocks
            found = written_ram(monitor, blocks)
            assert [blocks[index].size for index in found.files] == ([12 << 20] * 2 if kind == "nodes" else [MEMORY])
            found.close()
        assert load(image, second, "--start", "no") == 0
        assert second.memory(0, MEMORY) == memory
        assert second.registers() == registers


def private(backend: str) -> tuple[str, ...]:
    """A machine whose RAM only QEMU has."""
    return (*BARE, "-machine", "q35,memory-backend=m", "-m", "24", "-object", f"{backend},id=m,size=24M")


@pytest.mark.parametrize("kind", ["ram", "touched", "file", "none"])
@pytest.mark.parametrize("traced", [True, False])
def test_a_machine_is_loaded_into_private_memory(
    kind: str, traced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it may be written there or not; what QEMU had there before is gone, and no file that it maps changes."""
    ram = tmp_path / "ram"
    ram.write_bytes(b"\x5a" * MEMORY)
    args = {
        "ram": private("memory-backend-ram"),
        "touched": private("memory-backend-memfd,prealloc=on,share=off"),
        "file": private(f"memory-backend-file,mem-path={ram},share=off"),
        "none": (*BARE, "-machine", "q35", "-m", "24"),
    }[kind]
    with RealQemu(*args) as first:
        first.start().wait_written(0, 4096)
        first.qmp("stop")
        memory, registers = first.memory(0, MEMORY), first.registers()
        image = save(first, tmp_path / "a.dctx")
    if not traced:
        monkeypatch.setattr("domctx_qmp.written.mappings", lambda pid: [])
    with waiting(*args) as second:
        with Monitor(str(second.socket)) as monitor:
            found = written_ram(monitor, machine_of(monitor).blocks)
            assert list(found.files) == [0] * traced
            found.close()
        assert load(image, second, "--start", "no") == 0
        assert second.memory(0, MEMORY) == memory
        assert second.registers() == registers
    assert ram.read_bytes() == b"\x5a" * MEMORY


def named(name: str, size: int, kind: str) -> tuple[str, ...]:
    """A node of NUMA, called as one likes."""
    return ("-object", f"memory-backend-{kind},id={name},size={size}M", "-numa", f"node,memdev={name}")


@pytest.mark.parametrize("kinds", [("ram", "ram"), ("ram", "memfd,share=on"), ("memfd,share=on", "ram")])
@pytest.mark.parametrize("road", ["image", "stream"])
def test_nodes_whose_names_tell_no_order(kinds: tuple[str, str], road: str, tmp_path: Path) -> None:
    """Each has its own memory again: QEMU tells where they stand, also where a stream could not."""
    args = (*BARE, "-machine", "pc", "-m", "48", *named("zeta", 16, kinds[0]), *named("alpha", 32, kinds[1]))
    image = tmp_path / "a.dctx"
    with RealQemu(*args) as first:
        first.start().wait_written(0, 4096)
        first.qmp("stop")
        memory, registers = first.memory(0, 48 << 20), first.registers()
        if road == "image":
            save(first, image)
        else:
            assert run(["convert", str(first.save(tmp_path / "a.mig")), str(image)]) == 0
    with waiting(*args) as second:
        assert load(image, second, "--start", "no") == 0
        assert second.memory(0, 48 << 20) == memory
        assert second.registers() == registers


def test_memory_that_may_not_be_written_goes_through_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a process that may not be traced, and memory that is not where QEMU says."""
    with waiting() as qemu, Monitor(str(qemu.socket)) as monitor:
        blocks = machine_of(monitor).blocks
        with monkeypatch.context() as patch:
            patch.setattr(monitor, "pid", 0)
            assert written_ram(monitor, blocks).files == {}
        with monkeypatch.context() as patch:
            patch.setattr("domctx_qmp.written.block_start", lambda monitor, block: 4096)
            assert written_ram(monitor, blocks).files == {}
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refusing)
            assert written_ram(monitor, blocks).files == {}


def refusing(*arguments: object) -> int:
    """``open`` where nothing may be opened."""
    raise PermissionError(errno.EACCES, "no")


def test_what_goes_wrong_closes_what_was_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A descriptor of QEMU's memory holds on to it."""
    opened: list[WrittenFile] = []

    def once(*arguments: Any) -> WrittenFile:
        if opened:
            raise KeyboardInterrupt
        opened.append(WrittenFile(os.open("/dev/null", os.O_WRONLY), 0, "r", np.ones(1, np.bool_)))
        return opened[0]

    monkeypatch.setattr("domctx_qmp.written._own", once)
    with waiting() as qemu, Monitor(str(qemu.socket)) as monitor, pytest.raises(KeyboardInterrupt):
        written_ram(monitor, machine_of(monitor).blocks)
    with pytest.raises(OSError, match="Bad file descriptor"):
        opened[0].close()


def test_memory_that_is_gone() -> None:
    """QEMU that ends takes its memory with it; that is told, and never waited for."""
    with waiting() as qemu:
        with Monitor(str(qemu.socket)) as monitor:
            found = written_ram(monitor, machine_of(monitor).blocks)
        qemu.kill()
        data = PageBatch(0, 0, np.zeros(1, np.uint8), np.ones((1, PAGE), np.uint8))
        with pytest.raises(DomainError, match=r"RAM block 'pc.ram' at 0x.*: nothing can be written there"):
            found.store(data)
        found.close()


def test_shared_memory_goes_into_a_qemu_that_shares_none(tmp_path: Path) -> None:
    """It is in the image as any other, and is sent."""
    image = image_of(tmp_path / "a.dctx", *shared("memory-backend-memfd"))
    private = (*BARE, "-machine", "q35,memory-backend=m", "-m", "24", "-object", "memory-backend-ram,id=m,size=24M")
    with waiting(*private) as qemu:
        assert load(image, qemu) == 0
        assert qemu.status() == "running"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[tuple[Path, WrittenFile]]:
    """A block of eight pages, one page into a file; it holds ones in its pages 2 to 4, and nothing elsewhere."""
    path = tmp_path / "ram"
    with path.open("wb") as out:
        out.truncate(9 * PAGE)
        out.seek(3 * PAGE)
        out.write(b"\1" * 3 * PAGE)
    filled = np.zeros(8, np.bool_)
    filled[2:5] = True
    written = WrittenFile(os.open(path, os.O_WRONLY), PAGE, "RAM block 'r'", filled)
    yield path, written
    written.close()


def test_pages_of_each_kind(file: tuple[Path, WrittenFile]) -> None:
    """Data as it is, one octet repeated, zeros only over what is there."""
    path, written = file
    kinds = np.array([0, 2, 1, 1, 0, 0, 1, 2], np.uint8)
    pages = np.repeat(np.array([[7], [8], [9]], np.uint8), PAGE, axis=1)
    written.store(PageBatch(0, 0, kinds, pages, np.array([0x41, 0x42], np.uint8)))
    expected = [0, 7, 0x41, 0, 0, 8, 9, 0, 0x42]
    assert path.read_bytes() == b"".join(bytes([octet]) * PAGE for octet in expected)
    assert path.stat().st_blocks * 512 <= 8 * PAGE


@settings(max_examples=50)
@given(st.lists(st.sampled_from([PageKind.DATA, PageKind.ZERO, PageKind.FILL]), min_size=1, max_size=12), st.data())
def test_any_batch_ends_up_as_its_pages(kinds: list[PageKind], data: st.DataObject) -> None:
    """Whatever was there before, in two batches, the second over the first."""
    number = len(kinds)
    descriptor = os.memfd_create("ram")
    before = data.draw(st.lists(st.booleans(), min_size=number, max_size=number))
    for page, there in enumerate(before):
        os.pwrite(descriptor, (b"\xff" if there else b"") * PAGE, page * PAGE)
    os.ftruncate(descriptor, number * PAGE)
    written = WrittenFile(os.dup(descriptor), 0, "r", np.array(before))
    for salt in (1, 101):
        order = kinds if salt == 1 else kinds[::-1]
        rows = [page + salt for page, kind in enumerate(order) if kind == PageKind.DATA]
        fills = np.array([page + salt for page, kind in enumerate(order) if kind == PageKind.FILL], np.uint8)
        pages = np.repeat(np.array(rows, np.uint8), PAGE).reshape(-1, PAGE)
        written.store(PageBatch(0, 0, np.array(order, np.uint8), pages, fills))
    expected = [0 if kind == PageKind.ZERO else page + 101 for page, kind in enumerate(kinds[::-1])]
    assert os.pread(descriptor, number * PAGE, 0) == b"".join(bytes([octet]) * PAGE for octet in expected)
    written.close()
    os.close(descriptor)


@pytest.mark.parametrize(
    ("first", "kind", "message"),
    [
        (8, PageKind.ZERO, r"pages outside of RAM block 'r'; expected below 0x8, got 0x8 \+ 0x1"),
        (-1, PageKind.ZERO, "pages outside of RAM block 'r'"),
        (3, PageKind.ABSENT, "page 0x3 of RAM block 'r' has no contents"),
    ],
)
def test_pages_that_cannot_be_written(first: int, kind: PageKind, message: str, file: tuple[Path, WrittenFile]) -> None:
    """Outside of the block, or without contents."""
    with pytest.raises(DomainError, match=message):
        file[1].store(PageBatch(0, first, np.array([kind], np.uint8), np.zeros((0, PAGE), np.uint8)))


def test_a_full_disk() -> None:
    """It is told, with the block's name."""
    written = WrittenFile(os.open("/dev/full", os.O_WRONLY), 0, "RAM block 'r'", np.ones(1, np.bool_))
    with pytest.raises(DomainError, match="RAM block 'r': No space left on device"):
        written.store(PageBatch(0, 0, np.array([1], np.uint8), np.zeros((0, PAGE), np.uint8)))
    written.close()
