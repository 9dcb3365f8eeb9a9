"""Two HVM save images, entry by entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from domctx.api import Difference
from domctx.schema import octet_differences, plain_differences
from domctx.wire import record_name
from domctx_hvm.fields import fields
from domctx_hvm.image import Entry, split
from domctx_hvm.types import type_name

Key = tuple[int, int, int]
"""Type code, instance, and which of the entries of that type and instance."""

RECORD = record_name("HVM_CONTEXT", 0)


def compare(a: bytes | None, b: bytes | None) -> Iterator[Difference]:
    """Where they differ: by entry and field, then in the entries' order and in what stands behind END."""
    if a is None or b is None:
        if a is not b:
            yield Difference(RECORD, "", "present" if a is not None else None, "present" if b is not None else None)
        return
    left, right = split(a), split(b)
    for path, one, other in [*_entries(left.entries, right.entries), *_trailing(left.trailing, right.trailing)]:
        yield Difference(RECORD, path, one, other)


def _trailing(a: bytes, b: bytes) -> Iterator[tuple[str, Any, Any]]:
    yield from octet_differences("trailing", a, b)


def _entries(a: Sequence[Entry], b: Sequence[Entry]) -> Iterator[tuple[str, Any, Any]]:
    left, right = keyed(a), keyed(b)
    for key in left | right:
        one, other = left.get(key), right.get(key)
        if one is None or other is None:
            yield _path(key), "present" if one else None, "present" if other else None
        else:
            for path, first, second in _bodies(one, other):
                yield f"{_path(key)}.{path}", first, second
    if set(left) == set(right) and list(left) != list(right):
        yield "order", [_path(key) for key in left], [_path(key) for key in right]


def _bodies(a: Entry, b: Entry) -> Iterator[tuple[str, Any, Any]]:
    """By field, and by octets where a body has none or the bodies have not one length."""
    if a.octets == b.octets:
        return
    if len(a.octets) != len(b.octets):
        yield "length", len(a.octets), len(b.octets)
    left, right = fields(a), fields(b)
    known = left is not None and right is not None
    yield from plain_differences("", left, right) if known else octet_differences("octets", a.octets, b.octets)


def keyed(entries: Sequence[Entry]) -> dict[Key, Entry]:
    """The entries by type, instance and repeat, in their order."""
    seen: Counter[tuple[int, int]] = Counter()
    found: dict[Key, Entry] = {}
    for entry in entries:
        name = entry.typecode, entry.instance
        found[(*name, seen[name])] = entry
        seen[name] += 1
    return found


def _path(key: Key) -> str:
    typecode, instance, repeat = key
    return f"{type_name(typecode)}[{instance}]" + (f" (repeat {repeat})" if repeat else "")
