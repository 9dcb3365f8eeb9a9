"""The FXSAVE image against the Intel SDM's table of it."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from domctx.schema import decode, encode, offset_of, size_of
from domctx_x86.fxsave import FXSAVE_SIZE, Fxsave, X87Register


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("fcw", 0),
        ("fsw", 2),
        ("ftw", 4),
        ("fop", 6),
        ("fip", 8),
        ("fdp", 16),
        ("mxcsr", 24),
        ("mxcsr_mask", 28),
        ("st", 32),
        ("xmm", 160),
        ("reserved", 416),
        ("available", 464),
    ],
)
def test_fields_stand_where_the_manual_says(name: str, offset: int) -> None:
    """Each part of the image stands at its offset of the manual's table."""
    assert offset_of(Fxsave, name) == offset


def test_the_image_has_its_size() -> None:
    """The image has 512 octets, a register of the x87 stack 16."""
    assert size_of(Fxsave) == FXSAVE_SIZE == 512
    assert size_of(X87Register) == 16


@given(st.binary(min_size=512, max_size=512))
def test_any_octets_come_back(octets: bytes) -> None:
    """Whatever stands in an image, reserved octets among it, is kept."""
    assert encode(decode(Fxsave, octets)) == octets
