"""Tests of domctx.schema.evolution: what a layout was and what it has become."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from domctx.errors import UsageError
from domctx.schema import U8, U16, U32, Array, Blob, Bytes, Nested
from domctx.schema.evolution import Change, changes, check_description, description, extends
from helpers.layouts import Everything, Point, Section, layouts, make_layout


def found(old: list[Any], new: list[Any], **defaults: Any) -> list[Change]:
    """The changes from one list of markers to another."""
    return list(changes(description(make_layout(old)), description(make_layout(new, **defaults))))


def test_description_is_json_without_class_names() -> None:
    """Structs are described in full, so that a class can be renamed."""
    told = description(Everything)
    assert json.loads(json.dumps(told)) == told
    points = next(field for field in told["fields"] if field["name"] == "points")
    assert (points["type"], points["offset"], points["size"]) == ("struct[2]", 122, 16)
    assert points["struct"] == description(Point)
    assert "Point" not in json.dumps(told)


def test_description_depends_on_the_version() -> None:
    """Bodies of older versions have fewer fields."""
    assert [field["name"] for field in description(Section, 2)["fields"]] == ["one", "two", "rest"]


@given(layouts())
@settings(max_examples=30)
def test_nothing_changes_in_the_same_layout(cls: type[Any]) -> None:
    """A description is good, equals itself, and extends itself."""
    told = description(cls)
    check_description(told)
    assert not list(changes(told, told))
    assert extends(told, told)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([U8("a"), U8("b")], [U8("a")], [("f1", "is gone")]),
        ([U8("a")], [U8("a"), U8("b")], [("f1", "is new")]),
        ([U8("a")], [U16("a")], [("f0", "changed from u8 to u16")]),
        ([Bytes(2, "a")], [Array(U8, 2, "a")], [("f0", "changed from bytes[2] to u8[2]")]),
        (
            [U8("a"), U8("b")],
            [U16("a"), U8("b")],
            [("f0", "changed from u8 to u16"), ("f1", "moved from offset 1 to 2")],
        ),
        (
            [Nested(Point, "a")],
            [Nested(make_layout([U8("a")]), "b")],
            [
                ("f0", "changed its byte order from big to little"),
                ("f0.x", "is gone"),
                ("f0.hole", "is gone"),
                ("f0.y", "is gone"),
                ("f0.f0", "is new"),
            ],
        ),
    ],
)
def test_changes_are_told_by_path(old: list[Any], new: list[Any], expected: list[tuple[str, str]]) -> None:
    """Gone, new, retyped and moved, in structs too."""
    assert [(change.path, change.what) for change in found(old, new)] == expected


def test_a_changed_since_is_told() -> None:
    """Older bodies are read by it."""
    (change,) = found([U8("a")], [U8("a", since=2)], f0=1)
    assert (change.path, change.what) == ("f0", "said since=1 and now says since=2")


def test_only_fields_behind_all_others_extend() -> None:
    """An older reader can skip those, and nothing else."""
    old = description(make_layout([U8("a"), Nested(make_layout([U8("a")]), "b")]))
    longer = make_layout([U8("a"), U8("b")])
    assert extends(old, description(make_layout([U8("a"), Nested(make_layout([U8("a")]), "b"), U32("c")])))
    assert not extends(old, description(make_layout([U8("a")])))
    assert not extends(old, description(make_layout([U8("a"), Nested(longer, "b")])))
    with_tail = description(make_layout([U8("a"), Blob("b")]))
    assert not extends(with_tail, description(make_layout([U8("a"), Blob("b")])) | {"fields": []})
    assert not extends(description(Section, 2), description(Section))


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"fields": []},
        {"byte_order": "little", "fields": {}},
        {"byte_order": "little", "fields": [1]},
        {"byte_order": "little", "fields": [{"name": "a", "type": "u8", "offset": 0, "size": 1}]},
        {"byte_order": "little", "fields": [{"name": "a", "type": "u8", "offset": 0, "size": "1", "since": 1}]},
        {"byte_order": "little", "fields": [{"name": "a", "type": "struct", "offset": 0, "size": 1, "since": 1}]},
    ],
)
def test_what_is_no_description_is_refused(value: Any) -> None:
    """Each member must be there, of its kind."""
    with pytest.raises(UsageError, match=r"not a baseline: '.*' is missing or of the wrong kind"):
        check_description(value)


def test_a_description_without_end_is_refused() -> None:
    """Structs in structs are bounded."""
    told: Any = {"byte_order": "little", "fields": []}
    for _ in range(40):
        field = {"name": "a", "type": "struct[1]", "offset": 0, "size": 1, "since": 1, "struct": told}
        told = {"byte_order": "little", "fields": [field]}
    with pytest.raises(UsageError, match="structs nested too deep"):
        check_description(told)
