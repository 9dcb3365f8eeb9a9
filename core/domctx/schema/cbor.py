"""CBOR tails: one item of canonical CBOR, of plain types and bounded depth.

Canonical is what ``cbor2`` writes with ``canonical=True`` (RFC 7049 section 3.9: shortest heads and floats, keys by
length and then by octets). A body that differs in one octet from what we would write is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Any, Final, NoReturn

from domctx.schema.problems import FieldError

MAX_DEPTH: Final = 32
"""How deep lists and dicts may nest; a plain value has depth 0."""

_KEYS: Final = frozenset({int, str, bytes})
_LEAVES: Final = frozenset({bytes, bool, type(None), float})
_NUMBERS: Final = range(-(1 << 64), 1 << 64)


def check(value: Any, depth: int = MAX_DEPTH) -> None:
    """Raise FieldError unless ``value`` is built of plain types, at most ``depth`` deep."""
    kind = type(value)
    if kind is int:
        if value not in _NUMBERS:
            raise FieldError("beyond what CBOR holds", expected="-2**64 to 2**64 - 1", got=hex(value))
    elif kind is str:
        _check_text(value)
    elif kind is list:
        _check_items(enumerate(value), depth)
    elif kind is dict:
        _check_items(((key_name(key), item) for key, item in value.items()), depth)
    elif kind not in _LEAVES:
        plain = "int, str, bytes, bool, None, float, list or dict"
        raise FieldError("not a plain value", expected=plain, got=f"{kind.__module__}.{kind.__qualname__}")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FieldError("not Unicode text", got=ascii(text[error.start])) from None


def _check_items(items: Iterable[tuple[object, Any]], depth: int) -> None:
    if depth == 0:
        raise FieldError("nested too deep", expected=f"at most {MAX_DEPTH} levels")
    for name, item in items:
        try:
            check(item, depth - 1)
        except FieldError as error:
            raise error.within(f"[{name}]") from None


def key_name(key: Any) -> str:
    """How a path names a key of a dict. Raises FieldError unless it is an int, a str or bytes."""
    if type(key) not in _KEYS:
        raise FieldError("not a plain key", expected="int, str or bytes", got=type(key).__name__)
    check(key)
    return key if isinstance(key, str) else repr(key)


def dumps(value: Any) -> bytes:
    """The canonical CBOR of a plain value. Raises FieldError."""
    import cbor2

    check(value)
    return cbor2.dumps(value, canonical=True)


class _NoTags(dict[int, Any]):
    """Refuses every tag before ``cbor2`` makes anything of it."""

    def __missing__(self, tag: int) -> Callable[..., NoReturn]:
        def refuse(*_: Any) -> NoReturn:
            raise ValueError(f"tag {tag}")

        return refuse


def loads(octets: bytes) -> Any:
    """The plain value of an item of canonical CBOR. Raises FieldError."""
    import cbor2

    try:
        value = cbor2.loads(octets, max_depth=MAX_DEPTH, semantic_decoders=_NoTags())
    except cbor2.CBORDecodeError as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        raise FieldError(f"bad CBOR: {error}{cause}") from error
    written = dumps(value)
    if written != octets:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(written, octets, strict=False))
        at = sum(1 for _ in same)
        expected, got = _head(written, at), _head(octets, at)
        raise FieldError(f"not canonical CBOR from its octet {at} on", expected=expected, got=got)
    return value


def _head(octets: bytes, at: int) -> str:
    return bytes(octets[at : at + 4]).hex(" ") or "its end"
