"""Numbers out of range, each refused with the place where it stands."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from domctx.errors import StreamError
from domctx_lgr.content import Contiguous, Scattered
from helpers.lgr_domains import opened
from helpers.lgr_files import (
    ESI_AT,
    GDT_ENTS_AT,
    GDT_FRAMES_AT,
    PT_BASE_AT,
    VARIANTS,
    Guest,
    a3,
    make_guest,
    patch,
)

CONTEXT_AT = {"A0": 36, "A1": 36, "A3": 36, "B": 36}
FRAME_LIST_AT = {"A0": 2552, "A1": 6648, "A3": 6648, "B": 6648, "C1": 36, "C2": 36}
TYPES_AT = {"A0": 6648, "A1": 10744, "A3": 10744}


def files() -> list[tuple[str, bytes]]:
    """A file of each variant that is not compressed."""
    guest = make_guest()
    return [(name, make(guest)) for name, make in VARIANTS.items() if name != "A2"]


def context_at(name: str, octets: bytes) -> int:
    """Where the context stands."""
    return CONTEXT_AT.get(name, len(octets) - 4096 - 2516)


def refused(folder: Path, octets: bytes) -> StreamError:
    """The error of a file that cannot be opened."""
    with pytest.raises(StreamError) as caught:
        opened(folder, octets)
    assert caught.value.file is not None
    return caught.value


NUMBERS: dict[str, tuple[Callable[[str, bytes], int | None], int, str]] = {
    "no page": (lambda name, octets: 32, 0, "the number of pages is out of range"),
    "too many pages": (lambda name, octets: 32, (1 << 20) + 1, "the number of pages is out of range"),
    "esi": (lambda name, octets: context_at(name, octets) + ESI_AT, 8, "esi, the suspend record, is out of range"),
    "gdt_ents": (lambda name, octets: context_at(name, octets) + GDT_ENTS_AT, 8193, "gdt_ents is out of range"),
    "gdt_frames": (
        lambda name, octets: context_at(name, octets) + GDT_FRAMES_AT,
        8,
        r"gdt_frames\[0\] is out of range",
    ),
    "pt_base": (
        lambda name, octets: context_at(name, octets) + PT_BASE_AT,
        8 << 12,
        "pt_base, the page directory, is out of range",
    ),
    "frame list": (
        lambda name, octets: FRAME_LIST_AT.get(name),
        8,
        r"pfn_to_mfn_frame_list\[0\] is out of range",
    ),
    "page type": (lambda name, octets: TYPES_AT.get(name), 5, r"pfn_type\[0x0\] is no page type"),
}


@pytest.mark.parametrize("what", NUMBERS)
def test_each_number_out_of_range_is_refused_where_it_stands(tmp_path: Path, what: str) -> None:
    """In every variant that has the number the file is refused with the number's name, offset and value."""
    place, value, message = NUMBERS[what]
    for name, octets in files():
        at = place(name, octets)
        if at is not None:
            error = refused(tmp_path, patch(octets, at, value))
            assert error.offset == at, name
            assert pytest.raises(StreamError, match=message)
            assert error.got == f"0x{value >> 12 if what == 'pt_base' else value:08x}"


def test_the_last_of_a_gdt_and_of_a_frame_list_is_checked(tmp_path: Path) -> None:
    """Every frame that is in use is checked, and none behind."""
    guest = make_guest(1030, gdt_entries=8192)
    octets = a3(guest)
    assert refused(tmp_path, patch(octets, 36 + GDT_FRAMES_AT + 60, 1030)).offset == 36 + GDT_FRAMES_AT + 60
    assert refused(tmp_path, patch(octets, 6648 + 4, 1030)).offset == 6648 + 4
    opened(tmp_path, patch(octets, 6648 + 8, 1030)).close()
    few = make_guest(gdt_entries=512)
    opened(tmp_path, patch(a3(few), 36 + GDT_FRAMES_AT + 4, 0xFFFFFFFF)).close()


@pytest.mark.parametrize("octets", [b"", b"LinuxGuest", b"LinuxGuestRecorD" + bytes(30), bytes(100)])
def test_another_signature_is_refused(tmp_path: Path, octets: bytes) -> None:
    """A file that begins otherwise is no LinuxGuestRecord."""
    assert refused(tmp_path, octets).message == "is no LinuxGuestRecord"


def test_a_cut_header_is_refused(tmp_path: Path) -> None:
    """A file that ends within its header is refused where it ends."""
    for size in (16, 20, 35):
        error = refused(tmp_path, a3(make_guest())[:size])
        assert (error.message, error.offset) == ("the file ends early, in its header", size)


def test_runs_of_pages() -> None:
    """Pages that follow each other in the file are one run; pages that were never sent are left out."""
    assert list(Contiguous(100).runs(2, 3)) == [(100 + 2 * 4096, 3)]
    assert Contiguous(100).present(2, 3).tolist() == [True] * 3
    scattered = Scattered(np.array([50, 50 + 4096, -1, 50 + 2 * 4096, 7], dtype=np.int64))
    assert list(scattered.runs(0, 5)) == [(50, 3), (7, 1)]
    assert list(scattered.runs(1, 2)) == [(50 + 4096, 1)]
    assert list(scattered.runs(2, 1)) == []
    assert scattered.present(0, 5).tolist() == [True, True, False, True, True]


def test_a_guest_of_the_tests_stands_as_the_reference_says() -> None:
    """The generator's A3 has every block at the offset of formats/xen.md 1.3."""
    guest: Guest = make_guest(6, name=b"x")
    octets = a3(guest)
    assert len(octets) == 10744 + 4100 * 6
    assert octets[:33] == b"LinuxGuestRecord" + b"x".ljust(16, b"\0") + b"\x06"
    assert struct.unpack_from("<I", octets, 52) == (0,)
    assert octets[-4096:] == guest.pages[-1]
