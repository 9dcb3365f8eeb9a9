"""Files on a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx_lgr.files import PlainFile, open_plain


@pytest.fixture
def plain(tmp_path: Path) -> PlainFile:
    """A file of ten octets."""
    (tmp_path / "file").write_bytes(b"0123456789")
    return open_plain(str(tmp_path / "file"))


def test_reads_are_exact_and_short_only_at_the_end(plain: PlainFile) -> None:
    """Octets come from where they are asked for; past the end there are none."""
    assert plain.read(2, 3) == b"234"
    assert plain.read(8, 5) == b"89"
    assert plain.read(20, 5) == b""
    view = bytearray(4)
    assert plain.fill(8, memoryview(view)) == 2
    assert plain.length() == 10
    plain.close()


def test_a_stream_goes_on_where_it_stopped(plain: PlainFile) -> None:
    """Reading in order gives one octet after the other."""
    stream, view = plain.stream(5), bytearray(3)
    assert stream.fill(memoryview(view)) == 3
    assert view == b"567"
    assert stream.fill(memoryview(view)) == 2
    assert stream.fill(memoryview(view)) == 0
    plain.close()
