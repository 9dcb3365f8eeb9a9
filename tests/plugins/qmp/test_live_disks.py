"""Names that QEMU gives its disks."""

from __future__ import annotations

import pytest

from domctx_qmp.live_disks import describes_all, is_file_name, plain_name, working_folder

QCOW2 = 'json:{"driver": "qcow2", "file": {"driver": "file", "filename": "d.qcow2"}}'
OFFSET = 'json:{"driver": "raw", "offset": 512, "file": {"driver": "file", "filename": "d.img"}}'
DEEP = "json:" + '{"file":' * 20 + '{"filename": "/x"}' + "}" * 20


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("/d.img", "/d.img"),
        ("file:/d.img", "/d.img"),
        (QCOW2, "d.qcow2"),
        (OFFSET, "d.img"),
        ("json:{", "json:{"),
        ("json:3", "json:3"),
        ('json:{"driver": "null-co"}', 'json:{"driver": "null-co"}'),
        (DEEP, DEEP),
    ],
)
def test_a_file_in_a_name(name: str, plain: str) -> None:
    """The file's name, where one can be told; else the name as QEMU gives it."""
    assert plain_name(name) == plain


def test_what_a_name_describes() -> None:
    """Files and formats are told again by name and format; an offset is not."""
    assert [describes_all(name) for name in ("/d.img", QCOW2, OFFSET)] == [True, True, False]


def test_what_is_a_file() -> None:
    """A protocol stands before what is none."""
    assert [is_file_name(name) for name in ("/a", "a", "./a:b", "nbd://x", "rbd:x")] == [True, True, True, False, False]


def test_a_process_that_is_not_known() -> None:
    """Nobody tells from where it counts its names."""
    assert working_folder(0) is None
