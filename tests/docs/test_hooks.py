"""docs/hooks.md against the hooks themselves."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from domctx import hookspecs
from domctx.api import LoadHandler, SaveHandler, Transformed

DOCS = Path(__file__).resolve().parents[2] / "docs"
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("domctx_"))


@pytest.mark.parametrize("name", HOOKS)
def test_signature(name: str) -> None:
    """Each hook's exact signature stands in docs/hooks.md."""
    signature = inspect.signature(getattr(hookspecs, name))
    parameters = ", ".join(f"{item.name}: {_name(item.annotation)}" for item in signature.parameters.values())
    text = f"def {name}({parameters}) -> {_name(signature.return_annotation)}: ..."
    assert text in (DOCS / "hooks.md").read_text()


def _name(annotation: object) -> str:
    """An annotation as the sources write it."""
    aliases = {"SaveHandler": SaveHandler, "LoadHandler": LoadHandler}
    for alias, meant in aliases.items():
        if annotation == meant | Transformed | None:
            return f"{alias} | Transformed | None"
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return str(annotation).replace("collections.abc.", "").replace("domctx.api.", "")


def test_no_other_hook() -> None:
    """docs/hooks.md names no hook that does not exist."""
    named = {word.split("(")[0] for line in (DOCS / "hooks.md").read_text().splitlines() for word in line.split()}
    assert {word for word in named if word.startswith("domctx_")} <= set(HOOKS)
