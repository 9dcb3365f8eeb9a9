"""Disks, compared."""

from __future__ import annotations

import attrs
import pytest

from domctx_disks import Disk, DiskFile, DisksContext, StoredDisks
from domctx_disks.plugin import domctx_record_types
from helpers.record_road import Road

(TYPE,) = domctx_record_types()
ROAD = Road(TYPE)
DISK = Disk("virtio0", "qcow2", (DiskFile("/d.qcow2", 196616, 1),))
CONTEXT = DisksContext((DISK,))


def test_equal_disks_have_no_differences() -> None:
    """Nothing known twice is no difference either."""
    assert ROAD.differences(StoredDisks(CONTEXT), StoredDisks(CONTEXT)) == []
    assert ROAD.differences(StoredDisks(), StoredDisks()) == []


@pytest.mark.parametrize(
    ("other", "path"),
    [
        (DisksContext((attrs.evolve(DISK, files=(DiskFile("/d.qcow2", 196616, 2),)),)), "disks[virtio0].files"),
        (DisksContext((attrs.evolve(DISK, overlay=DiskFile("/o")),)), "disks[virtio0].overlay"),
        (attrs.evolve(CONTEXT, moved_on=True), "moved_on"),
        (None, ""),
    ],
)
def test_what_only_tells_when_is_told_and_not_counted(other: DisksContext | None, path: str) -> None:
    """Times, places and overlays are of the save, not of the machine; so is whether anything is known of them."""
    (found,) = ROAD.differences(StoredDisks(CONTEXT), StoredDisks(other))
    assert (found.record, found.path, found.counted) == ("DISKS[0]", path, False)


@pytest.mark.parametrize(
    ("other", "path", "a", "b"),
    [
        (DisksContext((attrs.evolve(DISK, format="raw"),)), "disks[virtio0].format", "qcow2", "raw"),
        (DisksContext(()), "disks[virtio0]", "present", None),
        (DisksContext((DISK, attrs.evolve(DISK, name="ide0"))), "disks[ide0]", None, "present"),
    ],
)
def test_other_disks_count(other: DisksContext, path: str, a: object, b: object) -> None:
    """A disk more or less, or of another format, is another machine."""
    assert ROAD.diff(StoredDisks(CONTEXT), StoredDisks(other)) == [("DISKS[0]", path, a, b)]
