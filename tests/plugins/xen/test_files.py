"""Exact reads of a stream's file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from domctx.errors import DomainError, UsageError
from domctx.files import CutError
from domctx_xen.files import open_file


def test_reads_are_exact(tmp_path: Path) -> None:
    """What is not there is a cut stream, and the offset of its end is told."""
    path = tmp_path / "f"
    path.write_bytes(bytes(range(10)))
    file = open_file(str(path))
    assert file.take(8, 2, "x") == b"\x08\x09"
    with pytest.raises(CutError, match="in a record") as caught:
        file.take(8, 3, "a record")
    assert caught.value.offset == 10
    with pytest.raises(CutError, match="in its pages"):
        file.rows(0, np.empty((1, 11), np.uint8))
    file.close()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A pipe, a folder, and a name that nothing has."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="xen:-"):
        open_file(str(tmp_path / "pipe"))
    with pytest.raises(UsageError, match="is a folder"):
        open_file(str(tmp_path))
    with pytest.raises(DomainError):
        open_file(str(tmp_path / "nothing"))
