"""Whether what plugins declare is sound in itself: asked of each item when the plugins are resolved.

Nothing is imported for it. What only a test can afford to ask is in ``domctx.testing.declaration``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from domctx.api import Command, Format, Images, Instances, Option, RecordType, Role, StateKey, StateProvider

_TYPE_KINDS: Final[Mapping[str, Any]] = {
    "code": int,
    "name": str,
    "summary": str,
    "state": StateKey,
    "instances": Instances,
    "version": int,
    "readable_since": int,
    "oldest": int,
    "max_body": int,
    "upgrades": Mapping,
    "options": tuple,
    "images": Images,
    "optional": bool,
}
_FORMAT_KINDS: Final = {"scheme": str, "summary": str, "magics": tuple, "options": tuple}
_CALLED: Final = ("save", "load", "new_state")
_MAY_BE_CALLED: Final = ("exact_size", "max_size", "estimate_size", "view", "show", "check", "diff")
_FORMAT_CALLED: Final = ("probe", "open", "create", "update", "write", "coverage")


def problems(item: Any) -> Iterator[str]:
    """What is wrong with an item that a plugin gives, as sentences."""
    match item:
        case RecordType():
            yield from _of_kinds(item, _TYPE_KINDS) or _type_problems(item)
        case Format():
            yield from _of_kinds(item, _FORMAT_KINDS) or _format_problems(item)
        case StateProvider():
            yield from _of_kinds(item, {"key": StateKey, "owned": bool}) or _uncallable(item, ("provide",))
        case _:  # a Command: there are no other items
            yield from _of_kinds(item, {"name": str, "help": str, "target": str}) or _command_problems(item)


def _of_kinds(item: Any, kinds: Mapping[str, Any]) -> list[str]:
    """The fields of an item that are of another kind than they are declared with."""
    wrong = [name for name, kind in kinds.items() if not isinstance(getattr(item, name), kind)]
    found = [f"{name} is {getattr(item, name)!r}, expected a {kinds[name].__name__}" for name in wrong]
    options = getattr(item, "options", ()) if "options" not in wrong else ()
    return found + [
        f"options has {each!r}, expected an Option of str, int or bool" for each in options if not _is_option(each)
    ]


def _is_option(value: Any) -> bool:
    return isinstance(value, Option) and value.type in (str, int, bool) and isinstance(value.role, Role | None)


def _uncallable(item: Any, names: Sequence[str], *, optional: bool = False) -> Iterator[str]:
    for name in names:
        value = getattr(item, name)
        if not callable(value) and not (optional and value is None):
            yield f"{name} is {value!r}, which cannot be called"


def _type_problems(kind: RecordType) -> Iterator[str]:
    yield from _uncallable(kind, _CALLED)
    yield from _uncallable(kind, _MAY_BE_CALLED, optional=True)
    if not _is_word(kind.name):
        yield f"the name {kind.name!r} is empty, or holds what cannot be printed"
    if not kind.summary.strip() or "\n" in kind.summary:
        yield "the summary is not one line"
    version, since = kind.version, kind.readable_since
    if not 1 <= since <= version:
        yield f"readable_since is {since} and version {version}; expected 1 <= readable_since <= version"
    if not 1 <= kind.oldest <= version:
        yield f"oldest is {kind.oldest} and version {version}; expected 1 <= oldest <= version"
    beyond = sorted(old for old in kind.upgrades if not 1 <= old < kind.version)
    if beyond:
        yield f"upgrades from versions {beyond}, but bodies have versions 1 to {kind.version}"
    names = [option.name for option in kind.options]
    if len(set(names)) < len(names):
        yield f"two options have one name: {', '.join(sorted(names))}"
    if not kind.images & (Images.DOMCTX | Images.PLAIN):
        yield "images is empty: the type is saved into no image"


def _format_problems(format_: Format) -> Iterator[str]:
    yield from _uncallable(format_, _FORMAT_CALLED, optional=True)
    if not _is_word(format_.scheme) or ":" in format_.scheme or "/" in format_.scheme:
        yield f"the scheme {format_.scheme!r} is no word that can stand before a colon"
    for magic in format_.magics:
        match magic:
            case (int(offset), bytes(octets)) if offset >= 0 and octets:
                continue
        yield f"magics has {magic!r}, expected an offset and the octets that stand there"


def _command_problems(command: Command) -> Iterator[str]:
    if not _is_word(command.name) or command.name.startswith("-"):
        yield f"the name {command.name!r} is no word that can be typed as a command"


def _is_word(text: str) -> bool:
    return bool(text) and text.isprintable() and not any(map(str.isspace, text))
