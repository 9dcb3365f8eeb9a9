"""Tests of domctx.schema.versions: bodies of older and newer versions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from domctx.errors import RecordError, UnsupportedError
from domctx.schema import U8, U16, decode_version, upgrade
from helpers.layouts import Section, TrapInfo, make_layout


def adding(octet: int) -> Callable[[bytes], bytes]:
    """An upgrade that appends one octet."""
    return lambda body: body + bytes([octet])


@given(st.integers(1, 5), st.integers(0, 4))
def test_upgrade_applies_the_chain_in_order(found: int, steps: int) -> None:
    """Each function runs once, from the body's version up to the wanted one."""
    upgrades = {version: adding(version) for version in range(1, 10)}
    assert upgrade(b"\0", found, found + steps, upgrades) == bytes([0, *range(found, found + steps)])


def test_upgrade_refuses_a_missing_link() -> None:
    """The version whose conversion is missing is named."""
    with pytest.raises(UnsupportedError, match="nothing converts a body of version 2 to version 3"):
        upgrade(b"", 1, 4, {1: adding(1), 3: adding(3)})


@pytest.mark.parametrize("found", [0, 4])
def test_upgrade_refuses_versions_outside(found: int) -> None:
    """A body of a version that is none, or newer than wanted, is refused."""
    with pytest.raises(UnsupportedError, match=f"a body of another version; expected 1 to 3, got {found}"):
        upgrade(b"", found, 3, {})


def test_decode_version_reads_the_version_as_it_is() -> None:
    """A body of the wanted version is decoded."""
    assert decode_version(Section, b"\1\0\2\0\0\0\3\4rest", 3, 3, {}) == Section(1, 2, (3, 4), b"rest")


def test_decode_version_fills_in_fields_that_came_later() -> None:
    """Without functions the fields of later versions take their defaults."""
    assert decode_version(Section, b"\1\0", 1, 3, {}) == Section(1)
    assert decode_version(Section, b"\1\0\2\0\0\0end", 2, 3, {}) == Section(1, 2, rest=b"end")


def test_decode_version_converts_and_then_fills_in() -> None:
    """A chain may end before the wanted version: since it ended fields were only added."""
    upgrades = {1: lambda body: bytes(body[::-1]) + b"\2\0\0\0"}
    assert decode_version(Section, memoryview(b"\0\1"), 1, 3, upgrades) == Section(1, 2, rest=b"")


def test_decode_version_refuses_a_chain_that_begins_later() -> None:
    """A function for version 2 needs one that makes version 2."""
    with pytest.raises(UnsupportedError, match="nothing converts a body of version 1 to version 2"):
        decode_version(Section, b"\1\0", 1, 3, {2: adding(1)})


def test_decode_version_refuses_versions_below_one() -> None:
    """However far below, the refusal is at once."""
    for found in (0, -(1 << 62)):
        with pytest.raises(UnsupportedError, match=f"Section: a body of version {found}; expected 1 or more"):
            decode_version(Section, b"", found, 3, {1: adding(1), 2: adding(2)})


def test_decode_version_reads_the_known_part_of_a_newer_body() -> None:
    """What a newer writer added behind the last field is left; a tail takes all."""
    assert decode_version(TrapInfo, bytes(12), 2, 1, {}) == TrapInfo(0, 0, 0, 0)
    assert decode_version(Section, b"\1\0\2\0\0\0\3\4rest", 4, 3, {}) == Section(1, 2, (3, 4), b"rest")


def test_decode_version_refuses_a_newer_body_that_is_too_short() -> None:
    """The known part must be there."""
    with pytest.raises(RecordError, match="too short"):
        decode_version(TrapInfo, bytes(7), 2, 1, {})


def test_fields_of_an_unreleased_version_are_not_expected() -> None:
    """The wanted version decides which fields a newer body must have."""
    cls = make_layout([U8("a"), U16("b", since=2)], f1=9)
    assert decode_version(cls, b"\1\2\3", 2, 1, {}) == cls(1)
