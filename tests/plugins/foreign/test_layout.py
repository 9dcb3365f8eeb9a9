"""The foreign records' layout."""

from __future__ import annotations

from domctx.schema import decode, offset_of, size_of
from domctx_foreign.layout import ForeignBody


def test_the_octets_stand_behind_the_names_and_the_length() -> None:
    """32 octets of format, 224 of name and 8 of length stand before the part's octets."""
    assert [offset_of(ForeignBody, name) for name in ("format", "name", "size", "octets")] == [0, 32, 256, 264]
    assert size_of(ForeignBody) == 264


def test_a_body_written_by_hand_is_read() -> None:
    """Names are NUL-padded latin-1; the length is that of the part alone."""
    names = b"libvirt".ljust(32, b"\0") + b"XML \xe9".ljust(224, b"\0")
    octets = names + bytes.fromhex("0a00000000000000") + b"<domain/>\0"
    assert decode(ForeignBody, octets) == ForeignBody("libvirt", "XML é", 10, b"<domain/>\0")
