"""Strategies of disks."""

from __future__ import annotations

from hypothesis import strategies as st

from domctx_disks import Disk, DiskFile, DisksContext, StoredDisks

_number = st.none() | st.integers(0, (1 << 63) - 1)


def texts(most: int) -> st.SearchStrategy[str]:
    """Text of any characters but NUL and halves of surrogate pairs."""
    return st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=most)


def disk_files() -> st.SearchStrategy[DiskFile]:
    """Files, and what is no plain file."""
    return st.builds(DiskFile, texts(64), _number, _number | st.integers(-(1 << 63), -1))


def disks() -> st.SearchStrategy[Disk]:
    """Disks of one file and of more."""
    files = st.lists(disk_files(), min_size=1, max_size=3).map(tuple)
    return st.builds(Disk, texts(32), texts(16), files, st.none() | disk_files())


def disks_contexts() -> st.SearchStrategy[DisksContext]:
    """Up to four disks of different names."""
    several = st.lists(disks(), max_size=4, unique_by=lambda disk: disk.name).map(tuple)
    return st.builds(DisksContext, several, st.booleans())


def stored_disks() -> st.SearchStrategy[StoredDisks]:
    """States that hold something."""
    return disks_contexts().map(StoredDisks)
