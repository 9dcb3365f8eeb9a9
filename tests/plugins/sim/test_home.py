"""Tests of domctx_sim.home: a new domain's frames by page number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domctx.errors import DomainError
from domctx_sim.home import Home
from domctx_sim.layout import Command
from helpers.bare_machines import DOMAIN, Bare


def test_pages_by_number(tmp_path: Path) -> None:
    """Pages are written and read by their number, wherever their frames are; tables in use are not written."""
    bare = Bare.make(tmp_path)
    home = Home(bare.dom0, bare.machine.domains[DOMAIN], bare.mfns.astype(np.uint32))
    pages = np.arange(3 * 1024, dtype=np.uint32).reshape(3, 1024)
    home.write(np.array([9, 2, 5]), pages)
    assert (home.pages, home.mfn(9)) == (64, bare.mfn(9))
    assert np.array_equal(home.read(np.array([2, 5, 9])), pages[[1, 2, 0]])
    assert np.array_equal(home.page(5), pages[2])
    bare.command(Command.PIN_L1_TABLE, 3)
    with pytest.raises(DomainError, match="in use as something else"):
        home.write(np.array([3]), pages[:1])
