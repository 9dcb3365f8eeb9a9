"""The body of DISKS: what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from domctx.errors import RecordError
from domctx_disks import Disk, DiskFile, DisksContext
from domctx_disks.body import MAX_DISKS, MAX_FILES, from_body, to_body
from domctx_disks.layout import DisksBody

FILE = ["/a", 1, 2]
DISK = ["hda", "raw", None, [FILE]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "has the wrong keys; expected disks, moved_on"),
        ({"disks": []}, "has the wrong keys"),
        ({"disks": [], "moved_on": 1}, "has the wrong keys"),
        (
            {"disks": {}, "moved_on": False},
            f"disks is no list that can be; expected a list of at most {MAX_DISKS}, got",
        ),
        ({"disks": [DISK[:3]], "moved_on": False}, r"disks\[0\] has the wrong shape; expected a list of 4"),
        ({"disks": [DISK, DISK], "moved_on": False}, "two disks have one name"),
    ],
)
def test_wrong_values(value: Any, message: str) -> None:
    """A body whose value is not what the layout says is refused."""
    with pytest.raises(RecordError, match=message):
        from_body(DisksBody(value))


@pytest.mark.parametrize(
    ("disk", "message"),
    [
        (["", "raw", None, [FILE]], r"disks\[0\].name is no text that can be; expected 1 .. 256 characters, got ''"),
        (["a\0", "raw", None, [FILE]], r"name is no text"),
        (["a", 3, None, [FILE]], r"format is no text"),
        (["a", "raw", ["o" * 4097, 1, 2], [FILE]], r"overlay.path is no text"),
        (["a", "raw", "/o", [FILE]], r"overlay has the wrong shape; expected a list of 3"),
        (["a", "raw", None, []], r"disks\[0\] has no file"),
        (["a", "raw", None, [FILE] * (MAX_FILES + 1)], r"files is no list that can be; .* got 257"),
        (["a", "raw", None, [["/a", 1]]], r"disks\[0\].files\[0\] has the wrong shape; expected a list of 3"),
        (["a", "raw", None, [["/a", -1, 2]]], r"size is no number that can be; expected 0 .. 9223372036854775807"),
        (["a", "raw", None, [["/a", True, 2]]], r"size is no number"),
        (["a", "raw", None, [["/a", 1, 1 << 63]]], r"mtime is no number"),
        (["a", "raw", None, [["", 1, 2]]], r"path is no text"),
    ],
)
def test_wrong_disks(disk: Any, message: str) -> None:
    """A disk whose parts are of another shape, or out of bounds, is refused."""
    with pytest.raises(RecordError, match=message):
        from_body(DisksBody({"disks": [disk], "moved_on": False}))


def test_what_no_body_holds_is_not_saved() -> None:
    """A context that could not be read back is refused when it is saved."""
    with pytest.raises(RecordError, match="name is no text"):
        to_body(DisksContext((Disk("x" * 257, "raw", (DiskFile("/a"),)),)))
