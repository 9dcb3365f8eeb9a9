"""What a plain stream keeps of its configuration, its commands and its description."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domctx.errors import DomainError
from domctx_qemu_stream.configuration import Configuration, read_configuration
from domctx_qemu_stream.octets import Octets
from domctx_qemu_stream.plain import capabilities, configure, describe, dropped
from helpers import qemu_streams as qs

BITS = qs.subsection("configuration/target-page-bits", qs.u32(12))
UUID = qs.subsection("configuration/uuid", bytes(range(16)))


def configuration(*parts: bytes) -> Configuration:
    """A configuration, read."""
    return read_configuration(Octets(qs.stream(qs.configuration("pc", *parts))))


def test_capabilities_are_taken_out_and_put_in() -> None:
    """Only what says how pages travelled changes; the list goes where nothing is left in it."""
    plain = configuration(BITS, UUID)
    shared = configuration(BITS, qs.capabilities("x-ignore-shared"), UUID)
    mapped = configuration(BITS, qs.capabilities("x-ignore-shared", "mapped-ram", "something"), UUID)
    for found in (plain, shared):
        assert configure(found, capabilities(found, shared=False)) == plain.octets
        assert configure(found, capabilities(found, shared=True)) == shared.octets
    assert (
        configure(mapped, capabilities(mapped, shared=False))
        == configuration(BITS, qs.capabilities("something"), UUID).octets
    )
    assert dropped(mapped, shared=True) == ("mapped-ram",)
    last = configuration(BITS)
    assert configure(last, ("x-ignore-shared",)) == configuration(BITS, qs.capabilities("x-ignore-shared")).octets


def test_a_stream_without_configuration_leaves_nothing_out() -> None:
    """Where there is no configuration there is no place for capabilities."""
    with pytest.raises(DomainError, match="without a configuration"):
        configure(read_configuration(Octets(qs.stream(b"\0"))), ("x-ignore-shared",))


PART = {"vmsd_name": "configuration/capabilities", "version": 1, "fields": []}
OTHER = {"vmsd_name": "configuration/uuid", "version": 1}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"subsections": [PART]}, {}),
        ({"subsections": [PART, OTHER]}, {"subsections": [OTHER]}),
        ({"subsections": [OTHER]}, {"subsections": [OTHER]}),
        ({"subsections": 5}, {"subsections": 5}),
        ({}, {}),
    ],
)
def test_the_description_follows(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Of the text only the configuration's part changes, and of that only its capabilities."""
    rest = '"page_size": 4096,  "devices": [{"a": 1, "a": 2}]}'
    text = '{"configuration": ' + json.dumps({"vmsd_name": "configuration", **before}) + ", " + rest
    expected = '{"configuration": ' + json.dumps({"vmsd_name": "configuration", **after}) + ", " + rest
    assert describe(text.encode(), ["mapped-ram"]) == expected.encode()
    assert describe(text.encode(), []) == text.encode()


@pytest.mark.parametrize("text", [b'{"devices": []}', b'{"configuration": 5', b'{"configuration": {"a": }', b""])
def test_other_descriptions_stay(text: bytes) -> None:
    """A text that does not describe the configuration, or that is no JSON, is not touched."""
    assert describe(text, ["mapped-ram"]) == text
