"""Device sections between state and record."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings

from domctx.errors import RecordError
from domctx.states import DeviceSection
from domctx_qemu.layout import DeviceBody
from domctx_qemu.sections import body_of, described, section_of
from helpers.device_states import device_sections, timer


@settings(max_examples=60, deadline=None)
@given(device_sections())
def test_a_section_comes_back_from_its_body(section: DeviceSection) -> None:
    """A section put into a record's body and taken out again is the same."""
    assert section_of(body_of(section)) == section


def test_no_description_takes_no_octets() -> None:
    """A section that its source did not describe has nothing behind its state."""
    body = body_of(attrs.evolve(timer(), description=None))
    assert described(attrs.evolve(timer(), description=None)) == b""
    assert (body.description_size, body.tail) == (0, timer().octets)


@pytest.mark.parametrize(("size", "description_size"), [(1, 0), (3, 0), (2, 1), (0, 0), ((1 << 64) - 1, 3)])
def test_lengths_that_do_not_fit_the_body_are_refused(size: int, description_size: int) -> None:
    """State and description together are as long as what follows them."""
    body = DeviceBody(name="x", instance=0, version=0, size=size, description_size=description_size, tail=b"ab")
    with pytest.raises(
        RecordError, match=rf"not as long as they say; expected 0x{size + description_size:016x} octets"
    ):
        section_of(body)


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        ("f6", "a description that is null is written as none; expected no octets, got f6"),
        ("1801", "not canonical CBOR"),
        ("a1", "bad CBOR"),
        ("c001", "tag"),
    ],
)
def test_descriptions_that_are_not_canonical_are_refused(octets: str, message: str) -> None:
    """A description is one item of canonical CBOR, and not null."""
    tail = bytes.fromhex(octets)
    body = DeviceBody(name="x", instance=0, version=0, size=0, description_size=len(tail), tail=tail)
    with pytest.raises(RecordError, match=message):
        section_of(body)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (DeviceSection("x" * 256, 0, 0, b""), "name: too long; expected at most 255 characters, got 256"),
        (DeviceSection("\u20ac", 0, 0, b""), "name: not latin-1"),
        (DeviceSection("x\0", 0, 0, b""), "name: ends with a NUL"),
    ],
)
def test_names_that_no_body_holds_are_refused(section: DeviceSection, message: str) -> None:
    """A name is at most 255 octets, as QEMU writes it."""
    from domctx.schema import encode

    with pytest.raises(RecordError, match=message):
        encode(body_of(section))


def test_a_description_that_is_not_plain_is_refused() -> None:
    """A description holds plain values only."""
    with pytest.raises(RecordError, match="not a plain value"):
        body_of(attrs.evolve(timer(), description={"fields": object()}))
