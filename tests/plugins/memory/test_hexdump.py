"""Octets as a dump."""

from __future__ import annotations

from hypothesis import given, strategies as st

from domctx_memory.hexdump import lines


def test_a_dump_looks_as_hexdump_c_shows_it() -> None:
    """Address, two groups of eight octets, characters; equal lines become a star; the end's address comes last."""
    octets = bytes(range(0x41, 0x5A)) + bytes(7) + bytes(64) + b"|end"
    assert list(lines([octets], 0x1000)) == [
        "0000000000001000  41 42 43 44 45 46 47 48  49 4a 4b 4c 4d 4e 4f 50  |ABCDEFGHIJKLMNOP|",
        "0000000000001010  51 52 53 54 55 56 57 58  59 00 00 00 00 00 00 00  |QRSTUVWXY.......|",
        "0000000000001020  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
        "*",
        "0000000000001060  7c 65 6e 64                                       ||end|",
        "0000000000001064",
    ]


def test_nothing_is_an_address() -> None:
    """A dump of no octets is the address at which it begins and ends."""
    assert list(lines([], 0x20)) == ["0000000000000020"]


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_how_octets_are_cut_never_shows(cut: list[bytes]) -> None:
    """The dump of octets in pieces is that of the whole."""
    assert list(lines(cut, 0)) == list(lines([b"".join(cut)], 0))
