"""Tests of domctx's public face."""

from __future__ import annotations

import pytest

import domctx
from domctx import api, hookspecs


def test_public_names_are_the_api() -> None:
    """Names are imported on first use, and are those of the modules below."""
    assert domctx.RecordType is api.RecordType
    assert domctx.hookimpl is hookspecs.hookimpl
    assert domctx.Machine is api.Machine


def test_dir_lists_what_can_be_imported() -> None:
    """Names that were not used yet included."""
    listed = dir(domctx)
    assert {"RecordType", "Format", "hookimpl", "__version__"} <= set(listed)
    assert all(getattr(domctx, name) is not None for name in listed if name not in {"__spec__", "__cached__"})


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name is told as Python tells it."""
    with pytest.raises(AttributeError, match="module 'domctx' has no attribute 'Recordtype'"):
        _ = domctx.Recordtype
