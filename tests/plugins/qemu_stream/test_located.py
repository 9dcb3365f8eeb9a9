"""Pages in a mapped-ram file, and in files of shared memory beside the stream."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.errors import UsageError
from domctx.states import MEMORY, PageKind
from helpers import qemu_streams as qs
from helpers.qemu_corpus import memory_of, opened, problem_of
from helpers.qemu_streams import PAGE

IGNORED = qs.stream(
    qs.configuration("pc-i440fx-7.2", qs.capabilities("x-ignore-shared")),
    qs.section(1, 2, qs.block_list({"m0": 2 * PAGE, "pc.bios": PAGE}, qs.u64(0)) + qs.EOF_WORD, "ram", 0, 4),
    qs.section(3, 2, qs.data(0, qs.pages(1), "pc.bios") + qs.EOF_WORD),
    qs.ending(),
)


@pytest.mark.parametrize("name", ["", "m0="])
def test_shared_memory_is_read_from_its_file(name: str, tmp_path: Path) -> None:
    """A file of shared memory is the main RAM's unless a block is named; what is behind the block is left alone."""
    shared = qs.written(tmp_path, qs.pages(8, 9) + b"more", "shared")
    domain = opened(qs.written(tmp_path, IGNORED), f"ram-file={name}{shared}")
    assert memory_of(domain) == [qs.pages(8, 9), qs.pages(1)]
    domain.close()


def test_files_of_shared_memory_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """A file that is shorter than its block, two for one block, and a file where no block is the main RAM."""
    short, stream = qs.written(tmp_path, b"x", "shared"), qs.written(tmp_path, IGNORED)
    with pytest.raises(UsageError, match="is shorter than"):
        opened(stream, f"ram-file={short}").state(MEMORY)
    whole_file = qs.written(tmp_path, bytes(2 * PAGE), "whole")
    with pytest.raises(UsageError, match="given two files"):
        opened(stream, f"ram-file={whole_file}", f"ram-file=m0={whole_file}").state(MEMORY)
    numa = qs.stream(qs.configuration(), qs.ram({"n0": PAGE, "n1": PAGE}, qs.data(0, qs.pages(1), "n0")), qs.ending())
    with pytest.raises(UsageError, match="names no RAM block"):
        opened(qs.written(tmp_path, numa), f"ram-file={whole_file}").state(MEMORY)


@pytest.mark.parametrize("at", [0, 77])
def test_mapped_ram_is_read_from_its_places(at: int, tmp_path: Path) -> None:
    """Pages whose bit is set stand at their place in the file, the others are zero whatever stands there."""
    domain = opened(qs.written(tmp_path, qs.mapped(at=at)), f"offset={at}")
    assert domain.elements.problem is None
    assert memory_of(domain) == [bytes(PAGE) + qs.pages(1) + bytes(PAGE) + qs.pages(3)]
    domain.close()


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (qs.mapped(version=2), "of an unknown version"),
        (qs.mapped(size=8192), "with pages of this size"),
        (qs.mapped(bitmap=1), "where they cannot be"),
        (qs.mapped(contents=0x1001), "where they cannot be"),
        (qs.mapped(contents=1 << 40), "ends early, in the pages of mapped-ram"),
    ],
)
def test_mapped_ram_that_cannot_be_is_refused(octets: bytes, why: str, tmp_path: Path) -> None:
    """A header of mapped-ram is checked before it is followed."""
    assert why in problem_of(qs.written(tmp_path, octets))


def test_a_mapped_block_may_be_left_out(tmp_path: Path) -> None:
    """With both capabilities a block without places is shared memory that the stream leaves out."""
    config = qs.configuration("pc-i440fx-10.0", qs.capabilities("x-ignore-shared", "mapped-ram"))
    entry = qs.u64(PAGE | qs.MEM_SIZE) + qs.text("m0") + qs.u64(PAGE) + qs.u64(0) + qs.u32(1) + qs.u64(PAGE) + bytes(16)
    octets = qs.stream(
        config, qs.section(1, 2, entry + qs.EOF_WORD, "ram", 0, 4), qs.section(3, 2, qs.EOF_WORD), qs.ending()
    )
    memory = opened(qs.written(tmp_path, octets)).state(MEMORY)
    assert memory is not None
    assert memory.read(0, 0, 1).kinds.tolist() == [PageKind.ABSENT]
