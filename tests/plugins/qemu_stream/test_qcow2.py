"""Snapshots within qcow2 images, composed from formats/qemu.md 7."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domctx.errors import DomctxError, UsageError
from domctx.states import MEMORY
from domctx_memory.pages import whole
from helpers import qemu_streams as qs
from helpers.qemu_corpus import opened
from helpers.qemu_snapshots import CLUSTER, L2_AT, STREAM_AT, entry, image
from helpers.qemu_streams import PAGE

GOOD = qs.stream(
    qs.configuration(),
    qs.ram({"pc.ram": 4 * PAGE}, qs.data(0, qs.pages(1), "pc.ram") + qs.data(2, bytes(PAGE))),
    qs.ending(),
)


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("disk", [1 << 20, 1 << 30])
def test_the_stream_is_found(extended: bool, disk: int, tmp_path: Path) -> None:
    """By the disk's size that the snapshot tells, or that of the image; clusters of zeros are not there."""
    table = [entry("disk only", 0), entry("snap", len(GOOD), disk=disk, l1_size=20)]
    path = qs.written(tmp_path, image(GOOD, table, extended=extended))
    for given in ([], ["snapshot=snap"], ["snapshot=1"]):
        domain = opened(path, *given)
        memory = domain.state(MEMORY)
        assert memory is not None
        assert whole(memory.read(0, 0, 4), PAGE).tobytes() == qs.pages(1) + bytes(3 * PAGE)
        assert domain.location == str(path)
        domain.close()


def test_subclusters_may_be_missing(tmp_path: Path) -> None:
    """Of a cluster in parts only those are read that are there."""
    octets = bytearray(image(GOOD, extended=True))
    octets[L2_AT * CLUSTER + 12 : L2_AT * CLUSTER + 16] = qs.u32(0xFFFFFFFF ^ 1 << 10)
    memory = opened(qs.written(tmp_path, bytes(octets))).state(MEMORY)
    assert memory is not None
    expected, start = bytearray(qs.pages(1)), 10 * 128 - GOOD.index(qs.pages(1))
    expected[start : start + 128] = bytes(128)
    assert whole(memory.read(0, 0, 1), PAGE).tobytes() == expected


def test_short_writes_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster whose copy the system cuts short is copied to its end."""
    path, write = qs.written(tmp_path, image(GOOD)), os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, view, offset: write(descriptor, view[:1000], offset))
    memory = opened(path).state(MEMORY)
    assert memory is not None
    assert whole(memory.read(0, 0, 4), PAGE).tobytes() == qs.pages(1) + bytes(3 * PAGE)


def test_an_old_table_has_no_extra_data(tmp_path: Path) -> None:
    """Without extra data the size of the state is the one of 32 bits, and the disk the image's."""
    path = qs.written(tmp_path, image(GOOD, [entry("snap", len(GOOD), extra=b"")], version=2))
    assert opened(path).state(MEMORY) is not None


BAD = {
    "of an unknown version": image(GOOD, version=4),
    "an encrypted qcow2": image(GOOD, crypt=1),
    "clusters of a size that cannot be": image(GOOD, bits=40),
    "features that are not read": image(GOOD, features=4),
    "too many snapshots": image(GOOD, count=1 << 31),
    "ends early, in the table of snapshots": image(GOOD)[: 2 * CLUSTER + 10],
    "has a size that cannot be": image(GOOD, [entry("snap", 1, l1_size=1 << 31)]),
    "longer than its image": image(GOOD, [entry("snap", 1 << 62)]),
    "no stream stands where": image(b"QEVN" + GOOD[4:]),
    "L1 table is too short": image(GOOD, [entry("snap", 3 << 20, l1_size=2)]) + bytes(4 << 20),
    "a compressed cluster": image(GOOD, flag=1 << 62),
    "0 snapshots hold": image(GOOD, []),
    "2 snapshots hold": image(GOOD, [entry("a", len(GOOD)), entry("b", len(GOOD))]),
    "ends early, in a cluster": image(GOOD)[: STREAM_AT * CLUSTER + 100],
    "ends early, in an L1 or L2 table": image(GOOD, [entry("snap", 100, l1_size=1 << 20)]),
    "ends early, in the header": b"QFI\xfb",
}


@pytest.mark.parametrize("why", BAD)
def test_images_that_cannot_be_are_refused(why: str, tmp_path: Path) -> None:
    """Sizes, counts and offsets are checked before they are followed."""
    with pytest.raises(DomctxError, match=why):
        opened(qs.written(tmp_path, BAD[why]))


def test_a_snapshot_of_what_is_no_image_is_refused(tmp_path: Path) -> None:
    """A stream in a file of its own has no snapshots."""
    with pytest.raises(UsageError, match="is no qcow2 image"):
        opened(qs.written(tmp_path, GOOD), "snapshot=snap")
    with pytest.raises(UsageError, match="0 snapshots called 'other'"):
        opened(qs.written(tmp_path, image(GOOD)), "snapshot=other")
