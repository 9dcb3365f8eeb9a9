"""Pages of a stream: one by one they are what they are together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from domctx.api import RamBlock
from domctx.errors import DomainError
from domctx.files import CutError
from domctx.states import PageKind
from domctx_qemu_stream import memory as memory_module
from domctx_qemu_stream.files import StreamFile, open_file
from domctx_qemu_stream.memory import QemuMemory
from domctx_qemu_stream.runs import Place, Settled

PAGES = 24
RUNS = [(2, 3, 8, Place.STREAM), (5, 2, 0, Place.FILL), (7, 1, 0x5A, Place.FILL), (10, 4, 2 * 4096, Place.FILE)]
"""First page, number of pages, offset, place; the other pages are told of nowhere."""


@pytest.fixture
def file(tmp_path: Path) -> Iterator[StreamFile]:
    """A file of octets that are all but alike."""
    path = tmp_path / "stream"
    path.write_bytes(np.random.default_rng(1).bytes(5 * 4096))
    opened = open_file(str(path))
    yield opened
    opened.close()


def memory(file: StreamFile, missing: PageKind = PageKind.ZERO) -> QemuMemory:
    """One block with ``RUNS``."""
    firsts, counts, offsets, places = (np.array(column, np.int64) for column in zip(*RUNS, strict=True))
    settled = Settled(firsts, counts, offsets, places.astype(np.int32))
    block = RamBlock("pc.ram", PAGES << 12)
    return QemuMemory("a stream", [block], [settled], [missing], {Place.STREAM: file, Place.FILE: file})


@pytest.mark.parametrize("missing", [PageKind.ZERO, PageKind.ABSENT])
def test_single_pages_are_those_of_a_batch(file: StreamFile, missing: PageKind) -> None:
    """Kinds, contents and fill octets of each page are those that a read of several pages gives."""
    found = memory(file, missing)
    for page in range(12):
        one, two = found.read(0, page, 1), found.read(0, page, 2)
        rows = int(one.kinds[0] == PageKind.DATA)
        assert (one.block, one.first, one.count) == (0, page, 1)
        assert one.kinds[0] == two.kinds[0]
        assert np.array_equal(one.pages, two.pages[:rows])
        assert (one.fills is not None) == (one.kinds[0] == PageKind.FILL)
        assert one.fills is None or (two.fills is not None and one.fills[0] == two.fills[0])


@pytest.mark.parametrize("chunk", [1, 2, 256])
def test_how_many_pages_are_read_at_once_does_not_show(
    file: StreamFile, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages of a run are those between its words, in batches and in reads alike."""
    monkeypatch.setattr(memory_module, "CHUNK", chunk)
    octets = Path(file.name).read_bytes()
    wanted = [octets[start : start + 4096] for start in (8, 8 + 4104, 8 + 2 * 4104)]
    batch = next(memory(file).batches(10))
    assert [page.tobytes() for page in batch.pages] == wanted
    assert [page.tobytes() for page in memory(file).read(0, 2, 3).pages] == wanted


def test_the_kinds_of_single_pages_cannot_be_changed(file: StreamFile) -> None:
    """They are shared between all reads."""
    with pytest.raises(ValueError, match="read-only"):
        memory(file).read(0, 3, 1).kinds[0] = PageKind.ZERO


@pytest.mark.parametrize(("block", "page"), [(1, 0), (-1, 0), (0, -1), (0, PAGES)])
def test_a_page_that_is_not_there(file: StreamFile, block: int, page: int) -> None:
    """A block or a page outside of memory is refused."""
    with pytest.raises(DomainError, match=r"there (is|are) no such"):
        memory(file).read(block, page, 1)


def test_a_page_that_is_cut(file: StreamFile) -> None:
    """A page behind the end of the file is refused, naming where it ends."""
    with pytest.raises(CutError, match="the file ends early, in its pages") as caught:
        memory(file).read(0, 13, 1)
    assert caught.value.offset == 5 * 4096


def test_a_page_that_the_disk_refuses(tmp_path: Path) -> None:
    """An error of the operating system names the file."""
    (tmp_path / "stream").write_bytes(bytes(5 * 4096))
    gone = open_file(str(tmp_path / "stream"))
    found = memory(gone)
    gone.close()
    with pytest.raises(DomainError, match="Bad file descriptor") as caught:
        found.read(0, 3, 1)
    assert caught.value.file == gone.name
