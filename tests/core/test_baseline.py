"""Tests of domctx.baseline: what a change to record types breaks."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from domctx.api import Images, Instances, RecordType, StateKey
from domctx.baseline import Break, baseline, breaks
from domctx.errors import UsageError
from domctx.schema import U8, U16, Cbor, Nested
from helpers.layouts import Everything, Section, make_layout

A, B = U8("a"), U16("b")


def nothing(*_: Any) -> None:
    """A handler."""


def record_type(**changes: Any) -> RecordType:
    """A record type with two fields."""
    given: dict[str, Any] = {"code": 0x2_0000, "name": "acme/tpm", "body": make_layout([A, B]), "max_body": 3} | changes
    return RecordType(summary="a test", state=StateKey("tpm"), save=nothing, load=nothing, new_state=nothing, **given)


def broken(old: RecordType, **changes: Any) -> list[str]:
    """What breaks when a record type changes, by way of JSON."""
    return [each.message for each in breaks(json.loads(json.dumps(baseline([old]))), [attrs.evolve(old, **changes)])]


def test_baseline_tells_what_others_rely_on() -> None:
    """Code, name, versions, instances, limits, images, upgrades and the body's fields."""
    kind = record_type(version=2, readable_since=2, upgrades={1: bytes}, images=Images.DOMCTX | Images.PLAIN)
    assert baseline([kind]) == {
        "format": 1,
        "types": [
            {
                "code": "0x00020000",
                "name": "acme/tpm",
                "version": 2,
                "readable_since": 2,
                "oldest": 1,
                "instances": "single",
                "max_body": 3,
                "optional": False,
                "images": ["DOMCTX", "PLAIN"],
                "upgrades": [1],
                "body": {
                    "byte_order": "little",
                    "fields": [
                        {"name": "f0", "type": "u8", "offset": 0, "size": 1, "since": 1},
                        {"name": "f1", "type": "u16", "offset": 1, "size": 2, "since": 1},
                    ],
                },
            }
        ],
    }


def test_baseline_is_ordered_by_code() -> None:
    """The same types give the same file."""
    one, two = record_type(), record_type(code=0x2_0100, name="acme/nvram", body=None)
    assert baseline([two, one]) == baseline([one, two])


@pytest.mark.parametrize("body", [None, Everything, Section])
def test_nothing_breaks_where_nothing_changed(body: type[Any] | None) -> None:
    """A baseline agrees with what it was made from; new types break nothing."""
    kind = record_type(body=body, version=3, readable_since=3)
    other = record_type(code=0x2_0100, name="acme/nvram")
    assert breaks(baseline([kind]), [other, kind]) == []


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (
            {"code": 0x2_0001},
            ["the code changed from 0x00020000 to 0x00020001: images that have it cannot be read"],
        ),
        (
            {"name": "acme/tpm2"},
            ["the name of 0x00020000 changed to acme/tpm2: images name it in their MANIFEST and are refused"],
        ),
        (
            {"code": 0x2_0001, "name": "acme/tpm2"},
            ["the type 0x00020000 is gone: images that have it cannot be read"],
        ),
        ({"instances": Instances.KEYED}, ["the instances changed from single to keyed"]),
        ({"max_body": 2}, ["max_body shrank from 3 to 2 octets: longer bodies that were good are refused"]),
        (
            {"max_body": 4},
            ["max_body grew from 3 to 4 octets: readers of version 2 refuse longer bodies, so raise readable_since"],
        ),
        ({"max_body": 4, "version": 3, "readable_since": 3}, []),
        ({"optional": False}, ["the type is no longer optional: readers that do not know it refuse the image"]),
        ({"images": Images.DOMCTX}, ["the type is no longer saved into PLAIN images"]),
        ({"version": 1, "readable_since": 1}, ["the version fell from 2 to 1", "READ FELL"]),
        ({"readable_since": 1}, ["READ FELL"]),
        (
            {"readable_since": 3},
            ["readable_since is 3, beyond the version 2: nobody can read the records"],
        ),
        ({"version": 3}, []),
        ({"version": 3, "readable_since": 3}, []),
        ({"upgrades": {}}, ["upgrades[1] is gone: bodies of version 1 are no longer converted"]),
        ({"oldest": 2, "upgrades": {}}, ["oldest rose from 1 to 2: images with older bodies are refused"]),
        (
            {"version": 3, "oldest": 2, "upgrades": {2: bytes}},
            ["oldest rose from 1 to 2: images with older bodies are refused"],
        ),
        (
            {"version": 4, "upgrades": {1: bytes, 3: bytes}},
            ["upgrades[3] needs upgrades[2]: bodies of version 2 never reach it"],
        ),
        ({"body": None}, ["the type no longer declares its body: show, diff and the C header lose its fields"]),
    ],
)
def test_changes_of_the_type_are_told(changes: dict[str, Any], messages: list[str]) -> None:
    """Each thing that images and readers rely on has its sentence."""
    old = record_type(
        version=2, readable_since=2, upgrades={1: bytes}, optional=True, images=Images.DOMCTX | Images.PLAIN
    )
    fell = "readable_since fell from 2 to 1: older readers would try what they cannot read"
    assert broken(old, **changes) == [message.replace("READ FELL", fell) for message in messages]


def test_readable_since_cannot_rise_alone() -> None:
    """Without a new version older readers would refuse what they can read."""
    told = "readable_since rose from 1 to 2 without a new version: older readers refuse what they can read"
    assert broken(record_type(version=2), readable_since=2) == [told]


@pytest.mark.parametrize(
    ("markers", "messages"),
    [
        ([A], ["the field f1 is gone without a new version"]),
        ([A, B, A], ["the field f2 is new without a new version"]),
        ([B, B], ["the field f0 changed from u8 to u16", "the field f1 moved from offset 1 to 2"]),
    ],
)
def test_a_body_cannot_change_without_a_new_version(markers: list[Any], messages: list[str]) -> None:
    """Removed, new, retyped and moved fields are told."""
    told = broken(record_type(), body=make_layout(markers))
    assert [message.removesuffix(" without a new version") for message in told] == [
        message.removesuffix(" without a new version") for message in messages
    ]
    assert all(message.endswith(" without a new version") for message in told)


def test_a_changed_byte_order_is_told_of_the_body() -> None:
    """The body as a whole changes."""
    told = "the body changed its byte order from little to big without a new version"
    assert broken(record_type(), body=make_layout([A, B], "big")) == [told]


def test_a_changed_struct_is_told_by_path() -> None:
    """Structs in a body belong to it."""
    old, new = make_layout([A, B]), make_layout([A, A])
    told = "the field f0.f1 changed from u16 to u8 without a new version"
    assert broken(record_type(body=make_layout([Nested(old, "a")])), body=make_layout([Nested(new, "a")])) == [told]


def test_a_new_version_with_a_field_since_it_breaks_nothing() -> None:
    """Older bodies lack the field, and older readers skip it."""
    assert broken(record_type(), version=2, body=make_layout([A, B, U8("c", since=2)], f2=0), max_body=3) == []


def test_a_new_field_needs_since() -> None:
    """Otherwise older bodies are read wrongly."""
    told = "the field f2 is new and bodies of version 1 lack it: it needs since=2"
    assert broken(record_type(), version=2, body=make_layout([A, B, A])) == [told]


def test_a_changed_field_needs_an_upgrade() -> None:
    """With one that converts older bodies, and readers told, nothing breaks."""
    changes: dict[str, Any] = {"version": 2, "readable_since": 2, "body": make_layout([A, A])}
    told = "the field f1 changed from u16 to u8, and no upgrades[1] converts bodies of version 1"
    assert broken(record_type(), **changes) == [told]
    assert broken(record_type(), **changes, upgrades={1: bytes}) == []


def test_readers_that_cannot_read_must_be_told() -> None:
    """A body that older readers do not understand needs a higher readable_since."""
    changes: dict[str, Any] = {"version": 3, "body": make_layout([A, A]), "upgrades": {1: bytes, 2: bytes}}
    told = "readers of version 2 cannot read what is written now: raise readable_since to 3"
    assert broken(record_type(version=2, upgrades={1: bytes}), **changes) == [told]


def test_a_field_before_a_tail_cannot_be_skipped() -> None:
    """An older reader would take the new field for the tail's beginning."""
    old = record_type(body=make_layout([A, Cbor("c")]))
    body = make_layout([A, U8("b", since=2), Cbor("c")], f1=attrs.field(default=0, kw_only=True))
    told = broken(old, version=2, body=body)
    assert told[-1] == "readers of version 1 cannot read what is written now: raise readable_since to 2"


def test_since_beyond_the_version_is_told() -> None:
    """A field cannot come with a version that the type does not have."""
    body = make_layout([A, B, U8("c", since=3)], f2=0)
    assert broken(record_type(), version=2, body=body) == ["a field says since=3, but the type's version is 2"]


def test_a_changed_since_is_told() -> None:
    """Bodies of the versions between are read wrongly."""
    old = record_type(version=3, body=make_layout([A, U16("b", since=2)], f1=0))
    told = broken(old, body=make_layout([A, U16("b", since=3)], f1=0))
    assert told == ["the field f1 said since=2 and now says since=3 without a new version"]


def test_a_break_names_its_record() -> None:
    """The baseline's name, and the sentence."""
    (found,) = breaks(baseline([record_type()]), [])
    assert found == Break("acme/tpm", "the type 0x00020000 is gone: images that have it cannot be read")
    assert str(found) == f"acme/tpm: {found.message}"


@pytest.mark.parametrize("old", [None, [], {}, {"format": 2, "types": []}])
def test_what_is_no_baseline_is_refused(old: Any) -> None:
    """Another file, or another version's."""
    with pytest.raises(UsageError, match="not a baseline; expected an object with format 1"):
        breaks(old, [])


@pytest.mark.parametrize("name", ["code", "version", "images", "body"])
def test_a_damaged_baseline_is_refused(name: str) -> None:
    """A member that is missing or of the wrong kind is named."""
    old = baseline([record_type()])
    old["types"][0][name] = 1.5
    with pytest.raises(UsageError, match=f"not a baseline: '{name}' is missing or of the wrong kind"):
        breaks(old, [])
    with pytest.raises(UsageError, match="not a baseline: 'types' is missing"):
        breaks({"format": 1}, [])
    old["types"][0] = baseline([record_type()])["types"][0] | {"body": {}}
    with pytest.raises(UsageError, match="not a baseline: 'byte_order' is missing"):
        breaks(old, [])
