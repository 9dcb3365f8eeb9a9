"""Tests of domctx.hookspecs: the hooks are specifications, called by nobody."""

from __future__ import annotations

import pytest

from domctx import hookspecs
from helpers.toy_images import toy
from helpers.toys import DIAL_CODE


def test_a_specification_is_no_implementation() -> None:
    """Whoever calls one is told."""
    for hook in ("record_types", "formats", "state_providers", "commands"):
        with pytest.raises(NotImplementedError):
            getattr(hookspecs, f"domctx_{hook}")()
    for hook in ("save", "load"):
        with pytest.raises(NotImplementedError):
            getattr(hookspecs, f"domctx_{hook}")(record_type=toy(DIAL_CODE))


def test_the_group_is_the_version_of_the_plugin_api() -> None:
    """Which entry points stand in."""
    assert (hookspecs.PROJECT, hookspecs.GROUP) == ("domctx", "domctx.v1")
