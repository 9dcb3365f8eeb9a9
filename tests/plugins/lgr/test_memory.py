"""Pages of an opened file."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError, StreamError
from domctx.states import MEMORY, PageBatch, PageKind
from domctx_lgr import LgrDomain
from domctx_lgr.memory import LgrMemory
from helpers.lgr_domains import Context, opened, pages_of, spelled
from helpers.lgr_files import a3, c2, make_guest, members


def memory_of(domain: LgrDomain) -> LgrMemory:
    """The domain's memory."""
    memory = domain.state(MEMORY)
    assert isinstance(memory, LgrMemory)
    return memory


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 50), st.booleans(), st.booleans(), st.data())
def test_batches_and_random_reads_agree(
    tmp_path_factory: pytest.TempPathFactory, step: int, zipped: bool, batched: bool, data: st.DataObject
) -> None:
    """However many pages are asked for at a time, and wherever, the pages are the file's."""
    guest = make_guest(40, data.draw(st.integers(0, 100)))
    octets = c2(guest, 7) if batched else a3(guest)
    domain = opened(tmp_path_factory.mktemp("lgr"), gzip.compress(octets, 1) if zipped else octets)
    memory = memory_of(domain)
    assert pages_of(domain, step) == list(guest.pages)
    assert {batch.count for batch in memory.batches(step)} <= {step, 40 % step, 40}
    for _ in range(3):
        first = data.draw(st.integers(0, 40))
        count = data.draw(st.integers(0, 40 - first))
        assert spelled(memory.read(0, first, count)) == list(guest.pages[first : first + count])
    assert pages_of(domain, step) == list(guest.pages)
    domain.close()


def test_only_pages_of_zeros_are_zero(tmp_path: Path) -> None:
    """A page whose one octet differs is DATA, wherever the octet is; pages of one other octet are DATA too."""
    guest = make_guest(40, 1)
    pages: list[bytes] = []
    for place in range(36):
        page = bytearray(4096)
        page[place * 4095 // 35] = 1
        pages.append(bytes(page))
    pages += [bytes(4096), bytes([7]) * 4096, bytes(4096), bytes(4096)]
    octets = a3(guest)[: 10744 + 160] + b"".join(pages)
    domain = opened(tmp_path, octets)
    (batch,) = memory_of(domain).batches()
    zero = [pfn for pfn in range(40) if batch.kinds[pfn] == PageKind.ZERO]
    assert zero == [36, 38, 39]
    assert spelled(batch) == pages
    domain.close()


def test_a_batch_without_zero_pages_is_a_view(tmp_path: Path) -> None:
    """Pages are not copied where there is nothing to leave out."""
    guest = make_guest(8, 1)
    octets = a3(guest)[: 10744 + 32] + bytes(range(1, 9)) * 512 * 8
    domain = opened(tmp_path, octets)
    batches = memory_of(domain).batches(4)
    assert next(batches).pages.base is not None
    domain.close()


@pytest.mark.parametrize(("block", "first", "count"), [(1, 0, 1), (0, 8, 1), (0, -1, 1), (0, 0, 9), (0, 0, -1)])
def test_pages_outside_of_the_block_are_refused(tmp_path: Path, block: int, first: int, count: int) -> None:
    """There is one block, of N pages."""
    domain = opened(tmp_path, a3(make_guest(8)))
    with pytest.raises(DomainError, match="there are no such pages"):
        memory_of(domain).read(block, first, count)
    domain.close()


def test_nothing_can_be_stored(tmp_path: Path) -> None:
    """An opened file is read only."""
    domain = opened(tmp_path, a3(make_guest(8)))
    batch = PageBatch(0, 0, np.zeros(0, dtype=np.uint8), np.zeros((0, 4096), dtype=np.uint8))
    with pytest.raises(DomainError, match="takes no pages"):
        memory_of(domain).store(batch)
    domain.close()


def test_a_file_that_shrinks_is_told(tmp_path: Path) -> None:
    """A file that is cut after it was opened is refused where it ends now."""
    octets = a3(make_guest(8))
    domain = opened(tmp_path, octets)
    (tmp_path / "file.lgr").write_bytes(octets[:-4097])
    with pytest.raises(StreamError, match="the file ends early, in its pages") as caught:
        pages_of(domain)
    assert caught.value.offset == len(octets) - 4097
    domain.close()


def test_streaming_checks_the_end_of_a_gzip_file(tmp_path: Path) -> None:
    """The checksum behind the last page is checked when the last page was read, and nothing may follow unsaid."""
    octets = a3(make_guest(8))
    for place, message in ((-1, "damaged"), (-5, "damaged")):
        damaged = bytearray(gzip.compress(octets))
        damaged[place] ^= 1
        domain = opened(tmp_path, bytes(damaged))
        with pytest.raises(StreamError, match=message):
            pages_of(domain)
        domain.close()
    more = gzip.compress(b"x") + gzip.compress(octets)
    liar = gzip.compress(octets) + gzip.compress(b"more")[:-4] + more[-4:]
    domain = opened(tmp_path, liar)
    with pytest.raises(StreamError):
        pages_of(domain)
    domain.close()


def test_a_trailer_that_denies_what_follows_is_refused(tmp_path: Path) -> None:
    """A last member that has the size of the whole record, behind the record, is no honest file."""
    octets = a3(make_guest(8))
    domain = opened(tmp_path, gzip.compress(octets) + gzip.compress(bytes(len(octets))))
    with pytest.raises(StreamError, match="goes on behind the size that its last octets promise") as caught:
        pages_of(domain)
    assert caught.value.offset == len(octets)
    domain.close()


def test_octets_behind_are_no_hindrance_to_the_pages(tmp_path: Path) -> None:
    """A gzip file with octets behind the record gives its pages."""
    guest = make_guest(8)
    domain = opened(tmp_path, members(a3(guest) + b"more", 500))
    assert pages_of(domain) == list(guest.pages)
    domain.close()


def test_opening_reads_no_more_than_it_must(tmp_path: Path) -> None:
    """A gzip file is inflated to its page types, and spooled when a page is read at random, not before."""
    guest = make_guest(3000, 1)
    context = Context()
    domain = opened(tmp_path, gzip.compress(a3(guest), 1), context)
    assert pages_of(domain) == list(guest.pages)
    assert context.notes == []
    assert spelled(memory_of(domain).read(0, 2999, 1)) == [guest.pages[2999]]
    assert len(context.notes) == 1
    domain.close()


SPARSE = """
import re, sys
from domctx.states import MEMORY
from helpers.lgr_domains import Context
from domctx_lgr import open_domain
domain = open_domain(sys.argv[1], Context())
batches = domain.state(MEMORY).batches()
for _ in range(16):
    next(batches)
domain.owned_states()
domain.state(MEMORY).read(0, (1 << 20) - 1, 1)
print(int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) >> 10)
"""


def test_memory_stays_bounded_whatever_the_size(tmp_path: Path) -> None:
    """A file of 4 GiB is opened and read in less than 96 MiB."""
    octets = a3(make_guest(8))
    pfns = 1 << 20
    with open(tmp_path / "big.lgr", "wb") as file:
        file.write(octets[:32] + pfns.to_bytes(4, "little") + octets[36:10744])
        file.truncate(10744 + 4100 * pfns)
    done: Any = subprocess.run(
        [sys.executable, "-c", SPARSE, str(tmp_path / "big.lgr")],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert int(done.stdout) < 96
