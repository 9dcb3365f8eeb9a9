"""The pages of an opened stream."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from domctx.errors import DomainError, StreamError, UnsupportedError
from domctx.states import MEMORY, Memory, PageBatch, PageKind
from domctx_memory import silence
from domctx_memory.pages import whole
from helpers import xen_streams as xs
from helpers.xen_verdicts import domain_of

KINDS = {0: PageKind.DATA, 0xF: PageKind.INVALID, 0xE: PageKind.POPULATE, 0xD: PageKind.BROKEN}


def shuffled(seed: int, pages: int = 40) -> tuple[list[xs.Bits], dict[int, tuple[int, bytes]]]:
    """Records of pages in no order, with repeats; and what counts of them."""
    generator, records, expected = random.Random(seed), list[xs.Bits](), dict[int, tuple[int, bytes]]()
    for number in range(6):
        words: list[tuple[int, bytes | None]] = []
        for pfn in generator.sample(range(pages), 12):
            kind = generator.choice([0, 0, 0, 0xF, 0xE, 0xD])
            octets = xs.page(1000 * number + pfn)
            words.append((xs.entry(pfn, kind), None if kind else octets))
            expected[pfn] = (kind, bytes(4096) if kind else octets)
        records.append(xs.page_data(*words))
    return records, expected


def memory_of(folder: Path, *records: xs.Bits) -> Memory:
    """The memory of an HVM guest of these records."""
    found = domain_of(folder, *xs.hvm()[:4], *records, *xs.hvm()[5:]).state(MEMORY)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pages", [1, 7, 1024])
def test_pages_in_order_and_at_random(seed: int, pages: int, tmp_path: Path) -> None:
    """Whatever the order of the records, and however many pages are asked for."""
    records, expected = shuffled(seed)
    memory = memory_of(tmp_path, *records)
    total = memory.blocks[0].pages
    octets, kinds = b"", list[int]()
    for batch in memory.batches(pages):
        octets += whole(batch, 4096).tobytes()
        kinds += batch.kinds.tolist()
    assert total == max(expected) + 1
    assert kinds == [KINDS[expected[pfn][0]] if pfn in expected else PageKind.ABSENT for pfn in range(total)]
    assert octets == b"".join(expected.get(pfn, (0, bytes(4096)))[1] for pfn in range(total))
    generator = random.Random(seed)
    for _ in range(20):
        first = generator.randrange(total)
        count = generator.randrange(total - first + 1)
        found = whole(memory.read(0, first, count), 4096).tobytes()
        assert found == octets[first * 4096 : (first + count) * 4096]


def test_what_is_no_page_is_refused(tmp_path: Path) -> None:
    """Another block, pages outside, and storing."""
    memory = memory_of(tmp_path, xs.hvm_pages())
    for arguments in ((1, 0, 1), (0, -1, 1), (0, 5, 1), (0, 0, 6)):
        with pytest.raises(DomainError, match="no such pages"):
            memory.read(*arguments)
    with pytest.raises(DomainError, match="takes no pages"):
        memory.store(PageBatch(0, 0, np.zeros(0, np.uint8), np.empty((0, 4096), np.uint8)))


def test_a_file_that_shrinks_is_told(tmp_path: Path) -> None:
    """Pages are read when they are asked for; then they may be gone."""
    memory = memory_of(tmp_path, xs.hvm_pages())
    with (tmp_path / "stream.xen").open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(StreamError, match="ends early, in its pages"):
        list(memory.batches())


def test_pages_that_nothing_tells_of_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page at the end of the address space is not terabytes of memory, nor is a P2M without pages."""
    far = xs.page_data((xs.entry(1 << 39), xs.page(1)))
    with pytest.raises(UnsupportedError, match="silent about nearly all"):
        _ = domain_of(tmp_path, xs.headers(2), xs.STATIC_END, far, xs.END).machine
    monkeypatch.setattr(silence, "SILENT", 1 << 10)
    static = [xs.headers(1), xs.pv_info(), xs.STATIC_END, xs.p2m_frames((1 << 20) - 1, range(1 << 11))]
    with pytest.raises(UnsupportedError, match="silent about nearly all"):
        _ = domain_of(tmp_path, *static, xs.page_data((0, xs.page(1))), *xs.vcpus(8), xs.END).machine
