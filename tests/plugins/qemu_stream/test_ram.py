"""The words of the RAM section: read the same wherever they stand in the file, and in the order that a stream has."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from domctx_qemu_stream import windows
from domctx_qemu_stream.runs import Place
from helpers import qemu_streams as qs
from helpers.qemu_corpus import memory_of, opened, problem_of
from helpers.qemu_streams import PAGE

COUNT = 9000
HOOK = 0x80


@pytest.mark.parametrize("at", range(9))
def test_a_run_that_ends_where_a_window_does(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of nine octets: of nine places where a stream may begin one has a record end with each window."""
    monkeypatch.setattr(windows, "WINDOW", 64 << 10)
    words = qs.fill(0, 5, "pc.ram") + b"".join(qs.fill(page, 5) for page in range(1, COUNT))
    octets = qs.stream(qs.configuration(), qs.ram({"pc.ram": COUNT * PAGE}, words), qs.ending())
    threads = threading.enumerate()
    domain = opened(qs.written(tmp_path, bytes(at) + octets), f"offset={at}")
    assert domain.elements.problem is None
    assert threading.enumerate() == threads
    assert domain.elements.ram is not None
    (runs,) = domain.elements.ram.runs
    assert (len(runs), runs.noted, runs.settle().at(COUNT - 1)) == (1, COUNT, (Place.FILL, 5))
    domain.close()


def test_a_word_may_stand_before_the_list(tmp_path: Path) -> None:
    """One that tells nothing; the list is read where it stands."""
    words = qs.u64(HOOK) + qs.block_list({"pc.ram": 2 * PAGE}) + qs.data(1, qs.pages(7), "pc.ram") + qs.EOF_WORD
    octets = qs.stream(
        qs.configuration(), qs.section(1, 2, words, "ram", 0, 4), qs.section(3, 2, qs.EOF_WORD), qs.ending()
    )
    domain = opened(qs.written(tmp_path, octets))
    assert memory_of(domain) == [bytes(PAGE) + qs.pages(7)]
    domain.close()


@pytest.mark.parametrize("advised", [False, True])
def test_an_address_is_no_page_size(advised: bool, tmp_path: Path) -> None:
    """Unless postcopy was advised: blocks tell the size of their pages then."""
    config = qs.configuration("pc-i440fx-7.2", qs.capabilities("x-ignore-shared"))
    advice = qs.command(3, qs.u64(2 << 20) + qs.u64(PAGE)) if advised else b""
    words = qs.block_list({"pc.ram": PAGE}, qs.u64(2 << 20) + advised * qs.u64(1 << 32)) + qs.data(
        0, qs.pages(7), "pc.ram"
    )
    octets = qs.stream(
        config, advice, qs.section(1, 2, words + qs.EOF_WORD, "ram", 0, 4), qs.section(3, 2, qs.EOF_WORD), qs.ending()
    )
    domain = opened(qs.written(tmp_path, octets))
    assert domain.elements.problem is None
    assert domain.elements.ram is not None
    (block,) = domain.elements.ram.blocks
    assert (block.page_size, block.address) == ((2 << 20, 1 << 32) if advised else (None, 2 << 20))
    domain.close()


def test_a_page_before_the_list(tmp_path: Path) -> None:
    """Is of no block that there is."""
    words = qs.fill(0, 0, "pc.ram") + qs.block_list({"pc.ram": PAGE}) + qs.EOF_WORD
    octets = qs.stream(qs.configuration(), qs.section(1, 2, words, "ram", 0, 4), qs.ending())
    assert "a page of a RAM block that is not listed; expected none yet, got 'pc.ram'" in problem_of(
        qs.written(tmp_path, octets)
    )
