"""Guest memory in a file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from domctx.api import RamBlock
from domctx.errors import DomainError
from domctx.states import PageKind
from domctx_memory.pages import whole
from domctx_memory.sources import in_batches
from domctx_qmp.ram_file import PAGE_SIZE, RamFile

PAGES = st.lists(st.integers(0, 40), max_size=12)


def opened(path: Path, offset: int, size: int) -> RamFile:
    """A block in a file."""
    return RamFile(os.open(path, os.O_RDONLY), offset, size, "block")


@given(PAGES, st.integers(0, 3), st.integers(1, 9))
def test_every_page_comes_once(tmp_path_factory: pytest.TempPathFactory, pages: list[int], skip: int, at: int) -> None:
    """In order, with its contents; holes are zeros that nothing read."""
    path = tmp_path_factory.mktemp("ram") / "file"
    with path.open("wb") as file:
        for page in pages:
            file.seek(page * PAGE_SIZE + 100)
            file.write(bytes((page + 1,)) * 50)
        file.truncate(44 * PAGE_SIZE)
    size = (41 - skip) * PAGE_SIZE
    expected = path.read_bytes()[skip * PAGE_SIZE :][:size]
    ram, found, first, data = opened(path, skip * PAGE_SIZE, size), b"", 0, 0
    for batch in in_batches([ram.source(3)], [*[RamBlock("other", 0)] * 3, RamBlock("block", size)], at):
        assert (batch.block, batch.first) == (3, first)
        assert 0 < batch.count <= at
        first += batch.count
        assert set(batch.kinds.tolist()) <= {PageKind.DATA, PageKind.ZERO}
        found += whole(batch, PAGE_SIZE).tobytes()
        data += len(batch.pages)
    assert found == expected
    assert ram.pages == first == 41 - skip
    assert data == len({page for page in pages if skip <= page})
    blocks = os.stat(path).st_blocks
    assert ram.read(3, 0, 5).pages.tobytes() == expected[: 5 * PAGE_SIZE]
    assert os.stat(path).st_blocks == blocks
    ram.close()


def test_a_file_that_knows_no_holes() -> None:
    """Is all data: the memory of a process, say."""
    octets = np.arange(3 * PAGE_SIZE, dtype=np.uint8)
    descriptor = os.open("/proc/self/mem", os.O_RDONLY)
    ram = RamFile(descriptor, octets.ctypes.data, octets.nbytes, "own")
    assert list(ram.runs()) == [(0, 3, True)]
    (batch,) = in_batches([ram.source(0)], [RamBlock("own", octets.nbytes)], 99)
    assert batch.pages.tobytes() == octets.tobytes()
    ram.close()


def test_a_file_that_ends_early(tmp_path: Path) -> None:
    """Or cannot be read: told with the block's name."""
    (tmp_path / "file").write_bytes(bytes(PAGE_SIZE))
    ram = opened(tmp_path / "file", 0, 2 * PAGE_SIZE)
    with pytest.raises(DomainError, match="block: the guest's memory ends early in its file"):
        ram.read(0, 1, 1)
    ram.close()
    with pytest.raises(DomainError, match="block: Bad file descriptor"):
        ram.read(0, 0, 1)
