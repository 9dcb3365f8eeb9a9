"""What plugins declare is refused where it is not sound in itself, before anything is done with it."""

from __future__ import annotations

from typing import Any, cast

import attrs
import pytest

from domctx.api import Command, Format, Images, Option, Role, StateKey, StateProvider
from domctx.declaration import problems
from domctx.registry import Registry
from helpers.counters import COUNTER
from helpers.plugins import manager_of, plugin

FORMAT = Format(scheme="acme", summary="a format", magics=((4, b"ACME"),))
PROVIDER = StateProvider(StateKey("acme/x"), lambda holder: None)
FLOAT = Option("x", cast("type[int]", float), "a fraction")
SIDE = Option("x", int, "a number", role=cast("Role", "goal"))
COMMAND = Command("acme", "does it", "acme:command")


def test_what_is_sound() -> None:
    """Nothing is said of it."""
    for item in (COUNTER, FORMAT, PROVIDER, COMMAND):
        assert list(problems(item)) == []


@pytest.mark.parametrize(
    ("item", "changes", "problem"),
    [
        (COUNTER, {"code": "x"}, "code is 'x', expected a int"),
        (COUNTER, {"instances": "keyed"}, "instances is 'keyed', expected a Instances"),
        (COUNTER, {"state": "acme/x"}, "state is 'acme/x', expected a StateKey"),
        (COUNTER, {"options": ("x",)}, "options has 'x', expected an Option of str, int or bool"),
        (COUNTER, {"options": (FLOAT,)}, f"options has {FLOAT!r}, expected an Option of str, int or bool"),
        (FORMAT, {"options": (SIDE,)}, f"options has {SIDE!r}, expected an Option of str, int or bool"),
        (COUNTER, {"options": None}, "options is None, expected a tuple"),
        (COUNTER, {"save": None}, "save is None, which cannot be called"),
        (COUNTER, {"view": 7}, "view is 7, which cannot be called"),
        (COUNTER, {"name": "acme/a\n"}, "the name 'acme/a\\n' is empty, or holds what cannot be printed"),
        (COUNTER, {"summary": "a\nb"}, "the summary is not one line"),
        (COUNTER, {"version": 0}, "readable_since is 1 and version 0; expected 1 <= readable_since <= version"),
        (COUNTER, {"readable_since": 5}, "readable_since is 5 and version 1; expected 1 <= readable_since <= version"),
        (COUNTER, {"oldest": 2}, "oldest is 2 and version 1; expected 1 <= oldest <= version"),
        (COUNTER, {"upgrades": {1: bytes}}, "upgrades from versions [1], but bodies have versions 1 to 1"),
        (COUNTER, {"options": (Option("x", int, ""), Option("x", str, ""))}, "two options have one name: x, x"),
        (COUNTER, {"images": Images(0)}, "images is empty: the type is saved into no image"),
        (FORMAT, {"scheme": None}, "scheme is None, expected a str"),
        (FORMAT, {"scheme": ""}, "the scheme '' is no word that can stand before a colon"),
        (FORMAT, {"scheme": "a/b"}, "the scheme 'a/b' is no word that can stand before a colon"),
        (FORMAT, {"open": "acme:open"}, "open is 'acme:open', which cannot be called"),
        (FORMAT, {"magics": (b"ACME",)}, "magics has b'ACME', expected an offset and the octets that stand there"),
        (FORMAT, {"magics": ((0, b""),)}, "magics has (0, b''), expected an offset and the octets that stand there"),
        (PROVIDER, {"key": "acme/x"}, "key is 'acme/x', expected a StateKey"),
        (PROVIDER, {"provide": None}, "provide is None, which cannot be called"),
        (COMMAND, {"help": None}, "help is None, expected a str"),
        (COMMAND, {"name": "--acme"}, "the name '--acme' is no word that can be typed as a command"),
        (COMMAND, {"name": "ac me"}, "the name 'ac me' is no word that can be typed as a command"),
    ],
)
def test_what_is_not(item: Any, changes: dict[str, Any], problem: str) -> None:
    """Each is told in a sentence."""
    assert problem in list(problems(attrs.evolve(item, **changes)))


def test_the_plugin_is_broken() -> None:
    """One that declares what is not sound is left out, by the name of the item; the others work on."""
    bad = plugin(record_types=[attrs.evolve(COUNTER, version=0)])
    nothing: Any = None
    wrong = plugin(providers=[attrs.evolve(PROVIDER, owned=nothing)])
    registry = Registry.resolve(manager_of({"acme": bad, "beta": wrong, "gamma": plugin(formats=[FORMAT])}))
    assert {found.name: found.cause for found in registry.manager.broken()} == {
        "acme:main": f"RecordType {COUNTER.name}: readable_since is 1 and version 0; "
        "expected 1 <= readable_since <= version",
        "beta:main": "StateProvider acme/x: owned is None, expected a bool",
    }
    assert list(registry.formats) == ["acme"]
