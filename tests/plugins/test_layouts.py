"""What the layout modules of all bundled plugins have in common."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from domctx.schema.plan import ATTRIBUTE

PLUGINS = Path(import_module("domctx_memory").__path__[0]).parent
MODULES = sorted(f"{path.parent.name}.{path.stem}" for path in PLUGINS.glob("domctx_*/*layout.py"))


@pytest.mark.parametrize("name", MODULES)
def test_annotations_are_no_texts(name: str) -> None:
    """A layout reads its annotations where it is defined: as texts, each would be compiled at every start."""
    import_module(name)
    classes = [each for each in vars(sys.modules[name]).values() if isinstance(each, type) and ATTRIBUTE in vars(each)]
    assert classes or name == "domctx_qemu_stream.layout"
    for each in classes:
        texts = [field for field, hint in each.__annotations__.items() if isinstance(hint, str)]
        assert texts == [] or each.__module__ != name
