"""CBOR tails: one item of canonical CBOR, of plain types and bounded depth.

Canonical is what ``cbor2`` writes with ``canonical=True`` (RFC 7049 section 3.9: shortest heads and floats, keys by
length and then by octets). A body that differs in one octet from what we would write is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import takewhile
from typing import Any, Final, NoReturn

from domctx.schema.problems import FieldError, step

MAX_DEPTH: Final = 32
"""How deep lists and dicts may nest; a plain value has depth 0."""

_KEYS: Final = frozenset({int, str, bytes})
_LEAVES: Final = frozenset({bytes, bool, type(None), float})
"""The types whose every value is good."""
_LOWEST: Final = -(1 << 64)
_HIGHEST: Final = (1 << 64) - 1


def check(value: Any, depth: int = MAX_DEPTH) -> None:
    """Raise FieldError unless ``value`` is built of plain types, at most ``depth`` deep."""
    kind = type(value)
    if kind is list:
        _check_items(value, enumerate(value), depth)
    elif kind is dict:
        for key in value:
            if type(key) is not str or not key.isascii():
                _check_key(key)
        _check_items(value.values(), value.items(), depth)
    else:
        _check_leaf(value, kind)


def is_plain(value: Any) -> bool:
    """Whether a value can stand in a CBOR tail."""
    try:
        check(value)
    except FieldError:
        return False
    return True


def _check_items(items: Collection[Any], named: Iterable[tuple[Any, Any]], depth: int) -> None:
    if depth == 0:
        raise FieldError("nested too deep", expected=f"at most {MAX_DEPTH} levels")
    if _are_leaves(items):
        return
    for key, item in named:
        kind = type(item)
        if (kind is str and item.isascii()) or (kind is int and _LOWEST <= item <= _HIGHEST):
            continue  # the usual leaves need no call
        try:
            check(item, depth - 1)
        except FieldError as error:
            raise error.within(step(key)) from None


def _are_leaves(items: Collection[Any]) -> bool:
    """Whether long lists of one kind, which are the usual ones, are known to be good without a look at each item."""
    kinds = set(map(type, items))
    if kinds == {int}:
        return bool(min(items) >= _LOWEST and max(items) <= _HIGHEST)
    return kinds <= _LEAVES


def _check_leaf(value: Any, kind: type) -> None:
    if kind is str:
        _check_text(value)
    elif kind is int:
        if not _LOWEST <= value <= _HIGHEST:
            raise FieldError("beyond what CBOR holds", expected="-2**64 to 2**64 - 1", got=hex(value))
    elif kind not in _LEAVES:
        plain = "int, str, bytes, bool, None, float, list or dict"
        raise FieldError("not a plain value", expected=plain, got=f"{kind.__module__}.{kind.__qualname__}")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FieldError("not Unicode text", got=ascii(text[error.start])) from None


def _check_key(key: Any) -> None:
    if type(key) not in _KEYS:
        raise FieldError("not a plain key", expected="int, str or bytes", got=type(key).__name__)
    _check_leaf(key, type(key))


def dumps(value: Any) -> bytes:
    """The canonical CBOR of a plain value. Raises FieldError."""
    import cbor2

    check(value)
    return cbor2.dumps(value, canonical=True)


class _NoTags(dict[int, Any]):
    """Refuses every tag before ``cbor2`` makes anything of it."""

    def __missing__(self, tag: int) -> Callable[..., NoReturn]:
        def refuse(*_: Any) -> NoReturn:
            raise ValueError(f"tag {tag} is not plain")

        return refuse


def loads(octets: bytes) -> Any:
    """The plain value of an item of canonical CBOR. Raises FieldError."""
    import cbor2

    try:
        value = cbor2.loads(octets, max_depth=MAX_DEPTH, semantic_decoders=_NoTags())
    except cbor2.CBORDecodeError as error:
        raise FieldError(f"bad CBOR: {error.__cause__ or error}") from error
    written = dumps(value)
    if written != octets:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(written, octets, strict=False))
        at = sum(1 for _ in same)
        message = f"not canonical CBOR from its octet {at} on"
        raise FieldError(message, expected=_head(written, at), got=_head(octets, at))
    return value


def _head(octets: bytes, at: int) -> str:
    return octets[at : at + 4].hex(" ") or "its end"
