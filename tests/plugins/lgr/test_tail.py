"""Octets behind the end of a record."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from domctx.errors import DomainError
from domctx.states import FOREIGN_TAIL, ForeignPart
from domctx_lgr import tail as tails
from domctx_lgr.tail import BEHIND, BEHIND_GZIP, Tail
from helpers.lgr_domains import Context, opened, pages_of
from helpers.lgr_files import a3, c1, make_guest, members


def tail_of(folder: Path, octets: bytes, context: Context | None = None) -> list[ForeignPart]:
    """The parts behind the record."""
    domain = opened(folder, octets, context)
    found = domain.state(FOREIGN_TAIL)
    assert (found is None) == (FOREIGN_TAIL not in domain.owned_states())
    parts = list(found.parts) if found is not None else []
    pages_of(domain)
    domain.close()
    return parts


@pytest.mark.parametrize("make", [a3, c1])
@pytest.mark.parametrize("zipped", [False, True])
def test_octets_behind_the_record_are_kept_and_told(tmp_path: Path, make: object, zipped: bool) -> None:
    """What follows the record is a part, and the user is told how much it is."""
    assert callable(make)
    octets = make(make_guest(8)) + b"more"
    context = Context()
    parts = tail_of(tmp_path, gzip.compress(octets) if zipped else octets, context)
    assert parts == [ForeignPart("lgr", BEHIND, b"more")]
    assert sum("0x4 octets stand behind the end of the record" in note for note in context.notes) == 1


def test_octets_behind_the_gzip_file_are_kept(tmp_path: Path) -> None:
    """What follows the last member is a part of its own."""
    octets = members(a3(make_guest(8)) + b"inner", 777) + b"\0outer"
    context = Context()
    assert tail_of(tmp_path, octets, context) == [
        ForeignPart("lgr", BEHIND, b"inner"),
        ForeignPart("lgr", BEHIND_GZIP, b"\0outer"),
    ]
    assert any("0xb octets stand behind the end of the record" in note for note in context.notes)


def test_a_file_that_ends_where_it_should_has_no_tail(tmp_path: Path) -> None:
    """Neither a plain file, nor one of one member, nor one of several has anything behind."""
    octets = a3(make_guest(8))
    context = Context()
    assert tail_of(tmp_path, octets, context) == []
    assert tail_of(tmp_path, gzip.compress(octets), context) == []
    assert context.notes == []
    assert tail_of(tmp_path, members(octets, 777), context) == []


def test_a_long_tail_comes_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are read one by one, by their place or several at once."""
    monkeypatch.setattr(tails, "PART", 10)
    domain = opened(tmp_path, a3(make_guest(8)) + bytes(range(25)))
    tail = domain.state(FOREIGN_TAIL)
    assert isinstance(tail, Tail)
    assert [len(part.octets) for part in tail.parts] == [10, 10, 5]
    assert tail[-1].octets == bytes(range(20, 25))
    assert [part.octets[0] for part in tail[1:]] == [10, 20]
    with pytest.raises(IndexError):
        tail[3]
    with pytest.raises(DomainError, match="takes no parts"):
        tail.store(tail[0])
    domain.close()
