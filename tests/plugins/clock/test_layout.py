"""TSC_INFO's layout against formats/xen.md 2.2."""

from __future__ import annotations

from domctx.schema import decode, fields, size_of
from domctx_clock.layout import POSTED_TAIL, TscInfo, TscMode


def test_the_body_is_that_of_the_reference() -> None:
    """20 octets: mode at 0, khz at 4, nsec at 8, incarnation at 16; sizeof() of the posted structure is 24."""
    assert [(field.name, field.offset) for field in fields(TscInfo)] == [
        ("mode", 0),
        ("khz", 4),
        ("nsec", 8),
        ("incarnation", 16),
    ]
    assert size_of(TscInfo) == 20
    assert size_of(TscInfo) + POSTED_TAIL == 24


def test_a_body_written_by_hand_is_read() -> None:
    """Never emulate, 2.4 GHz, one second, incarnation 3."""
    octets = bytes.fromhex("02000000 009f2400 00ca9a3b00000000 03000000")
    assert decode(TscInfo, octets) == TscInfo(TscMode.NEVER_EMULATE, 2_400_000, 1_000_000_000, 3)
