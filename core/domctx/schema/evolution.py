"""What a layout was and what it has become: descriptions that can be kept as JSON, and the changes between two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from domctx.errors import UsageError
from domctx.schema.describe import element_of, fields, type_name
from domctx.schema.markers import Array, Nested
from domctx.schema.plan import layout_of
from domctx.schema.problems import join
from domctx.values import frozen

Description = dict[str, Any]
"""``byte_order``, and ``fields``: each with ``name``, ``type``, ``offset``, ``size`` and ``since``; a struct's with its
own description as ``struct``."""

_DEEPEST: Final = 32


@frozen
class Change:
    """One thing that changed in a layout: the field's path, and what happened to it as the rest of a sentence."""

    path: str
    """"" for the layout as a whole."""
    what: str
    added: bool = False


def description(cls: type[Any], version: int | None = None) -> Description:
    """A layout as it stands in bodies of ``version`` (None: the newest). Names of classes do not show."""
    members = []
    for field in fields(cls, version):
        place = {"type": _type(field.marker), "offset": field.offset, "size": field.size, "since": field.since}
        inner = element_of(field.marker)
        struct = {"struct": description(inner.layout, version)} if isinstance(inner, Nested) else {}
        members.append({"name": field.name, **place, **struct})
    return {"byte_order": layout_of(cls).byte_order, "fields": members}


def _type(marker: Any) -> str:
    if isinstance(marker, Array):
        return f"{_type(marker.element)}[{marker.count}]"
    return "struct" if isinstance(marker, Nested) else type_name(marker)


def changes(old: Description, new: Description, path: str = "") -> Iterator[Change]:
    """What changed from one description of a layout to another, structs in it included."""
    if old["byte_order"] != new["byte_order"]:
        yield Change(path, f"changed its byte order from {old['byte_order']} to {new['byte_order']}")
    before = {field["name"]: field for field in old["fields"]}
    after = {field["name"]: field for field in new["fields"]}
    for name in before | after:
        place = join(path, name)
        if name not in after:
            yield Change(place, "is gone")
        elif name not in before:
            yield Change(place, "is new", added=True)
        else:
            yield from _field_changes(place, before[name], after[name])


def _field_changes(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    if old["type"] != new["type"]:
        yield Change(path, f"changed from {old['type']} to {new['type']}")
    elif "struct" in old:
        yield from changes(old["struct"], new["struct"], path)
    if old["offset"] != new["offset"]:
        yield Change(path, f"moved from offset {old['offset']} to {new['offset']}")
    if old["since"] != new["since"]:
        yield Change(path, f"said since={old['since']} and now says since={new['since']}")


def extends(old: Description, new: Description) -> bool:
    """Whether a reader of the old layout can read bodies of the new one: at most new fields behind all it knows."""
    found = list(changes(old, new))
    has_tail = any(field["size"] is None for field in old["fields"])
    return all(change.added and "." not in change.path for change in found) and not (found and has_tail)


def check_description(value: Any, depth: int = _DEEPEST) -> None:
    """Raise UsageError unless ``value`` has the form of a description, with structs at most ``depth`` deep."""
    if depth == 0:
        raise UsageError("not a baseline: structs nested too deep", expected=f"at most {_DEEPEST} levels")
    kinds = {"name": str, "type": str, "offset": int, "size": int | None, "since": int}
    checked(value, {"byte_order": str, "fields": list})
    for field in value["fields"]:
        checked(field, kinds)
        if field["type"].startswith("struct"):
            checked(field, {"struct": dict})
            check_description(field["struct"], depth - 1)


def checked(value: Any, kinds: Mapping[str, Any]) -> Mapping[str, Any]:
    """``value``, which must be a JSON object with members of these kinds. Raises UsageError."""
    for name, kind in kinds.items():
        if not isinstance(value, dict) or not isinstance(value.get(name), kind):
            raise UsageError(f"not a baseline: {name!r} is missing or of the wrong kind", hint="write it anew")
    found: Mapping[str, Any] = value
    return found
