"""The format ``lgr:`` as the core sees it."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from domctx.api import Coverage
from domctx.sinks import BytesSink
from domctx_lgr.plugin import coverage, domctx_formats
from helpers.lgr_domains import Context, opened
from helpers.lgr_files import VARIANTS, a3, make_guest

(FORMAT,) = domctx_formats()


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_files_are_known_by_their_first_octets(name: str) -> None:
    """Plain files by their signature, compressed ones by what they inflate to."""
    octets = VARIANTS[name](make_guest(8))
    assert FORMAT.probe is not None
    if name == "A2":
        assert FORMAT.probe(octets[:65536])
    else:
        assert any(octets[at:].startswith(magic) for at, magic in FORMAT.magics)
        assert FORMAT.probe(gzip.compress(octets, 1)[:65536])


def test_other_files_are_not_claimed() -> None:
    """Other gzip files, broken ones and short ones are somebody else's."""
    assert FORMAT.probe is not None
    for head in (gzip.compress(b"LinuxGuestRecorD"), b"\x1f\x8bnonsense", b"\x1f\x8b", b"", b"LinuxGuest", bytes(64)):
        assert not FORMAT.probe(head)


def test_coverage_tells_what_no_check_covers(tmp_path: Path) -> None:
    """gzip's checksum covers every octet of a compressed file; nothing does of a plain one."""
    octets = a3(make_guest(8))
    plain = opened(tmp_path, octets)
    assert Coverage("every octet") in list(coverage(plain))
    plain.close()
    zipped = opened(tmp_path, gzip.compress(octets))
    assert all(item.check for item in coverage(zipped))
    zipped.close()


def test_opening_and_writing_go_through_the_format(tmp_path: Path) -> None:
    """The format opens a file and writes the domain as the options say."""
    octets = a3(make_guest(8))
    (tmp_path / "a.lgr").write_bytes(octets)
    assert FORMAT.open is not None
    assert FORMAT.write is not None
    domain = FORMAT.open(str(tmp_path / "a.lgr"), Context())
    sink = BytesSink()
    FORMAT.write(domain, sink, Context(gzip=True))
    assert gzip.decompress(sink.octets) == octets
    domain.close()
    defaults = {option.name: option.default for option in FORMAT.options}
    assert defaults == {"variant": "A3", "gzip": True, "name": None}


def test_the_entry_point_imports_nothing_heavy() -> None:
    """The module that the core imports to learn the format brings neither numpy nor isal."""
    code = (
        "import sys, domctx_lgr.plugin as p; p.domctx_formats();"
        "print([m for m in ('numpy', 'isal', 'click', 'rich', 'backports.zstd', 'cbor2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
