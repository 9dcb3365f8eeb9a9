"""What record types looked like when they shipped, and what a change since then breaks.

``domctx types --baseline F`` writes ``baseline``; ``domctx types --check F`` prints ``breaks``, before anything ships.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from domctx.api import JSON, RecordType
from domctx.errors import UsageError
from domctx.schema.evolution import Change, changes, check_description, checked, description, extends
from domctx.schema.plan import layout_of
from domctx.schema.problems import number
from domctx.values import frozen

FORMAT: Final = 1
"""The version of the baseline's own form."""

_KINDS: Final[Mapping[str, Any]] = {
    "code": str,
    "name": str,
    "version": int,
    "readable_since": int,
    "oldest": int,
    "instances": str,
    "max_body": int,
    "optional": bool,
    "images": list,
    "upgrades": list,
    "body": dict | None,
}


@frozen
class Break:
    """One thing that a change breaks: the record type as the baseline names it, and a sentence."""

    record: str
    message: str

    def __str__(self) -> str:
        return f"{self.record}: {self.message}"


def baseline(record_types: Iterable[RecordType]) -> JSON:
    """The record types as JSON to keep with a release: ``{"format": 1, "types": [...]}``, ascending by code."""
    return {"format": FORMAT, "types": [_described(each) for each in sorted(record_types, key=lambda each: each.code)]}


def breaks(old: JSON, new_record_types: Iterable[RecordType]) -> list[Break]:
    """What breaks for images and readers of the time of ``old``, a baseline, with the record types of today.

    Raises UsageError where ``old`` is no baseline.
    """
    if not isinstance(old, dict) or old.get("format") != FORMAT:
        raise UsageError("not a baseline", expected=f"an object with format {FORMAT}", hint="write it anew")
    types = checked(old, {"types": list})["types"]
    for was in types:
        checked(was, _KINDS)
        if was["body"] is not None:
            check_description(was["body"])
    by_code = {_code(each): each for each in new_record_types}
    by_name = {each.name: each for each in by_code.values()}
    return [Break(was["name"], message) for was in types for message in _type_breaks(was, by_code, by_name)]


def _code(record_type: RecordType) -> str:
    return number(record_type.code, 4)


def _described(record_type: RecordType) -> JSON:
    return {
        "code": _code(record_type),
        "name": record_type.name,
        "version": record_type.version,
        "readable_since": record_type.readable_since,
        "oldest": record_type.oldest,
        "instances": record_type.instances.value,
        "max_body": record_type.max_body,
        "optional": record_type.optional,
        "images": [image.name for image in record_type.images],
        "upgrades": sorted(record_type.upgrades),
        "body": None if record_type.layout is None else description(record_type.layout),
    }


def _type_breaks(was: JSON, by_code: Mapping[str, RecordType], by_name: Mapping[str, RecordType]) -> Iterator[str]:
    now = by_code.get(was["code"])
    if now is None and was["name"] in by_name:
        now = by_name[was["name"]]
        yield f"the code changed from {was['code']} to {_code(now)}: images that have it cannot be read"
    elif now is None:
        yield f"the type {was['code']} is gone: images that have it cannot be read"
        return
    elif now.name != was["name"]:
        yield f"the name of {was['code']} changed to {now.name}: images name it in their MANIFEST and are refused"
    yield from _contract_breaks(was, now)
    yield from _version_breaks(was, now)
    if now.version >= was["version"]:
        yield from _chain_breaks(was, now)
        yield from _body_breaks(was, now)


def _contract_breaks(was: JSON, now: RecordType) -> Iterator[str]:
    version, sizes = was["version"], f"from {was['max_body']} to {now.max_body} octets"
    if now.instances.value != was["instances"]:
        yield f"the instances changed from {was['instances']} to {now.instances.value}"
    if now.max_body < was["max_body"]:
        yield f"max_body shrank {sizes}: longer bodies that were good are refused"
    if now.max_body > was["max_body"] and now.readable_since <= version:
        yield f"max_body grew {sizes}: readers of version {version} refuse longer bodies, so raise readable_since"
    if was["optional"] and not now.optional:
        yield "the type is no longer optional: readers that do not know it refuse the image"
    for image in was["images"]:
        if image not in [each.name for each in now.images]:
            yield f"the type is no longer saved into {image} images"


def _version_breaks(was: JSON, now: RecordType) -> Iterator[str]:
    since = f"from {was['readable_since']} to {now.readable_since}"
    if now.oldest > was["oldest"]:
        yield f"oldest rose from {was['oldest']} to {now.oldest}: images with older bodies are refused"
    if now.version < was["version"]:
        yield f"the version fell from {was['version']} to {now.version}"
    if now.readable_since < was["readable_since"]:
        yield f"readable_since fell {since}: older readers would try what they cannot read"
    if now.readable_since > now.version:
        yield f"readable_since is {now.readable_since}, beyond the version {now.version}: nobody can read the records"
    elif now.readable_since > was["readable_since"] and now.version == was["version"]:
        yield f"readable_since rose {since} without a new version: older readers refuse what they can read"


def _chain_breaks(was: JSON, now: RecordType) -> Iterator[str]:
    for version in was["upgrades"]:
        if version >= now.oldest and version not in now.upgrades:
            yield f"upgrades[{version}] is gone: bodies of version {version} are no longer converted"
    for version in sorted(now.upgrades):
        if version > now.oldest and version - 1 not in now.upgrades:
            yield f"upgrades[{version}] needs upgrades[{version - 1}]: bodies of version {version - 1} never reach it"


def _body_breaks(was: JSON, now: RecordType) -> Iterator[str]:
    if was["body"] is None:
        return
    if now.layout is None:
        yield "the type no longer declares its body: show, diff and the C header lose its fields"
        return
    newest, version = description(now.layout), was["version"]
    for since in layout_of(now.layout).versions:
        if since > now.version:
            yield f"a field says since={since}, but the type's version is {now.version}"
    if now.version == version:
        yield from (
            f"{_subject(change)} {change.what} without a new version" for change in changes(was["body"], newest)
        )
        return
    if version not in now.upgrades:
        as_was = changes(was["body"], description(now.layout, version))
        yield from (_unconverted(change, version) for change in as_was)
    if now.readable_since <= version and not extends(was["body"], newest):
        yield f"readers of version {version} cannot read what is written now: raise readable_since to {now.version}"


def _unconverted(change: Change, version: int) -> str:
    if change.added:
        return f"{_subject(change)} is new and bodies of version {version} lack it: it needs since={version + 1}"
    return f"{_subject(change)} {change.what}, and no upgrades[{version}] converts bodies of version {version}"


def _subject(change: Change) -> str:
    return f"the field {change.path}" if change.path else "the body"
