"""Pages of a stream: one by one they are what they are together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from domctx.api import RamBlock
from domctx.errors import DomainError
from domctx.files import CutError
from domctx.states import PageKind
from domctx_memory.pages import whole
from domctx_qemu_stream import memory as memory_module
from domctx_qemu_stream.files import Spool, StreamFile, open_file
from domctx_qemu_stream.memory import QemuMemory, Rows
from domctx_qemu_stream.runs import Place, Settled

PAGES = 24
RUNS = [(2, 3, 8, Place.STREAM), (5, 2, 0, Place.FILL), (7, 1, 0x5A, Place.FILL), (10, 4, 2 * 4096, Place.FILE)]
"""First page, number of pages, offset, place; the other pages are told of nowhere."""


LENGTHS = st.integers(1, 4)
TOLD = st.one_of(
    st.tuples(st.just(None), LENGTHS, st.just(0)),
    st.tuples(st.just(Place.FILL), LENGTHS, st.sampled_from([0, 0, 0x5A, 0xFF])),
    st.tuples(st.just(Place.STREAM), LENGTHS, st.integers(0, 4000)),
    st.tuples(st.just(Place.SPOOL), LENGTHS, st.integers(0, 5).map(lambda row: row * 4096)),
    st.tuples(st.sampled_from([Place.FILE, Place.FILE + 1]), LENGTHS, st.integers(0, 4096)),
)
"""A place, or none that is told of; a number of pages; an offset."""


@st.composite
def blocks_told(draw: st.DrawFn) -> list[tuple[int, Settled, PageKind]]:
    """Of some blocks the pages, the runs, and what a page is that none of these has."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        parts = draw(st.lists(TOLD, max_size=12))
        ends = np.cumsum([length for _, length, _ in parts], dtype=np.int64)
        kept = [row for row, part in enumerate(parts) if part[0] is not None]
        counts, offsets = (np.array([parts[row][column] for row in kept], np.int64) for column in (1, 2))
        places = np.array([parts[row][0] for row in kept], np.int32)
        pages = int(ends[-1]) if len(ends) else 0
        missing = draw(st.sampled_from([PageKind.ZERO, PageKind.ABSENT]))
        found.append((pages, Settled(ends[kept] - counts, counts, offsets, places), missing))
    return found


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


@pytest.mark.parametrize(
    "ask", [lambda found: found.read(0, 3, 1), lambda found: found.scattered(0, np.array([3, 11]))]
)
def test_pages_that_the_disk_refuses(ask: Callable[[QemuMemory], object], tmp_path: Path) -> None:
    """An error of the operating system names the file, of one page and of scattered ones."""
    (tmp_path / "stream").write_bytes(bytes(5 * 4096))
    gone = open_file(str(tmp_path / "stream"))
    found = memory(gone)
    gone.close()
    with pytest.raises(DomainError, match="Bad file descriptor") as caught:
        ask(found)
    assert caught.value.file == gone.name


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks_told(), st.data())
def test_scattered_pages_are_those_of_single_reads(
    file: StreamFile, tmp_path: Path, told: list[tuple[int, Settled, PageKind]], data: st.DataObject
) -> None:
    """In any order, one behind the other or apart, twice or not at all: each page is what a read of it gives."""
    spool = Spool(str(tmp_path / "stream"))
    spool.append(np.random.default_rng(2).bytes(9 * 4096))
    places: dict[int, Rows] = {Place.STREAM: file, Place.SPOOL: spool, Place.FILE: file, Place.FILE + 1: file}
    blocks = [RamBlock(f"ram{number}", pages << 12) for number, (pages, _, _) in enumerate(told)]
    memory = QemuMemory("a stream", blocks, [runs for _, runs, _ in told], [kind for _, _, kind in told], places)
    for number, block in enumerate(blocks):
        wanted = data.draw(st.lists(st.integers(0, block.pages - 1), max_size=40) if block.pages else st.just([]))
        wanted += data.draw(st.sampled_from([[], range(block.pages)]))
        found = memory.scattered(number, np.array(wanted, np.int64))
        single = [memory.read(number, page, 1) for page in wanted]
        assert found.kinds.tolist() == [int(batch.kinds[0]) for batch in single]
        assert found.octets.shape == (len(wanted), 4096)
        assert all(np.array_equal(row, whole(one, 4096)[0]) for row, one in zip(found.octets, single, strict=True))
    spool.close()


@pytest.mark.parametrize(
    ("block", "pages"), [(1, [0]), (-1, [0]), (1, []), (0, [3, -1]), (0, [0, PAGES]), (0, [-1, PAGES])]
)
def test_scattered_pages_that_are_not_there(file: StreamFile, block: int, pages: list[int]) -> None:
    """A block or a page outside of memory is refused, whatever else is asked for."""
    with pytest.raises(DomainError, match=r"there (is|are) no such"):
        memory(file).scattered(block, np.array(pages, np.int64))


def test_a_block_without_pages() -> None:
    """Has no first page either; nothing can be asked of it."""
    none = np.empty(0, np.int64)
    nothing = Settled(none, none, none, np.empty(0, np.int32))
    memory = QemuMemory("a stream", [RamBlock("ram", 0)], [nothing], [PageKind.ABSENT], {})
    with pytest.raises(DomainError, match="there are no such pages"):
        memory.scattered(0, np.array([0]))
    assert memory.scattered(0, np.array([], np.int64)).octets.shape == (0, 4096)


@pytest.mark.parametrize("pages", [[13], [0, 13, 3], [12, 13]])
def test_scattered_pages_that_are_cut(file: StreamFile, pages: list[int]) -> None:
    """A page behind the end of the file is refused, naming where it ends, alone or behind others."""
    with pytest.raises(CutError, match="the file ends early, in its pages") as caught:
        memory(file).scattered(0, np.array(pages))
    assert caught.value.offset == 5 * 4096
