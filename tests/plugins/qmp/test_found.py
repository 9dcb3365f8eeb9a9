"""Run states in which a guest may be found."""

from __future__ import annotations

import pytest

from domctx.errors import DomainError
from domctx_qmp.found import REFUSED, STANDING, check


def test_which_are_saved() -> None:
    """A guest that runs, or stands for whatever reason."""
    for status in ("running", *STANDING):
        check(status, "qmp:x")


@pytest.mark.parametrize("status", [*REFUSED, "new-state"])
def test_which_are_refused(status: str) -> None:
    """By name, and why."""
    with pytest.raises(DomainError, match=f"qmp:x: the guest cannot be saved; got run state '{status}': "):
        check(status, "qmp:x")
