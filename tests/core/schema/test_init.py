"""Tests of domctx.schema's public face."""

from __future__ import annotations

import subprocess
import sys

import pytest

import domctx.schema


def test_every_public_name_is_there() -> None:
    """Names that are imported on first use included."""
    assert all(getattr(domctx.schema, name) is not None for name in domctx.schema.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name is told as Python tells it."""
    with pytest.raises(AttributeError, match=r"module 'domctx\.schema' has no attribute 'encoed'"):
        _ = domctx.schema.encoed


def test_import_loads_neither_numpy_nor_cbor2() -> None:
    """A plugin's layouts cost no library that they may never use."""
    script = "import sys, domctx.schema; print(sorted({'numpy', 'cbor2', 'hypothesis'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
