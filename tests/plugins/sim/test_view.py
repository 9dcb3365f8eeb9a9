"""Tests of domctx_sim.view: what is the same for every suspended domain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domctx.errors import DomainError
from domctx_page_tables import FrameMap
from domctx_sim.machine import Machine
from domctx_sim.on_behalf import suspend
from domctx_sim.view import page_types, pfn_of
from helpers.machines import built, changed


def test_pages_in_any_pieces(tmp_path: Path) -> None:
    """Pages are the same, however they are asked for."""
    with Machine(built(tmp_path / "m")) as machine:
        view = suspend(machine)
        whole = view.pages(0, 64)
        for size in (1, 3, 61):
            pieces = [view.pages(first, min(size, 64 - first)) for first in range(0, 64, size)]
            assert np.array_equal(np.concatenate(pieces), whole)
        assert view.pages(5, 0).shape == (0, 1024)


def test_pages_of_frames() -> None:
    """A frame that is no page of the domain is named with what it should have been."""
    frame_map = FrameMap(np.array([700, 800], np.uint32))
    assert pfn_of("it", frame_map, 800) == 1
    for mfn in (5, 1 << 20, 0xFFFF_FFFF):
        with pytest.raises(DomainError, match=f"it is no page of the domain; got MFN 0x{mfn:05x}"):
            pfn_of("it", frame_map, mfn)


def test_pins_that_nobody_told(tmp_path: Path) -> None:
    """Where the machine does not know which pages the guest pinned, it does not tell of pins."""
    with changed(built(tmp_path / "m")) as machine:
        frame_map = suspend(machine).frame_map
        assert page_types(machine, machine.domain, frame_map)[-2:].tolist() == [1, 10]
        machine.domain.pins_known = False
        assert page_types(machine, machine.domain, frame_map)[-2:].tolist() == [1, 2]
