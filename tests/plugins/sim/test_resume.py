"""Tests of domctx_sim.resume: suspensions undone, and what cannot be undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from domctx.errors import DomainError
from domctx.states import Suspension
from domctx_sim import resume
from domctx_sim.home import Home
from helpers.bare_machines import DOMAIN, Bare

GOOD = Suspension(registers={"esi": 0xC003_D000}, displaced={59: b"", 60: b"\x07" * 4096})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A domain of 64 pages."""
    bare = Bare.make(tmp_path)
    return Home(bare.dom0, bare.machine.domains[DOMAIN], bare.mfns.astype(np.uint32))


def test_undo(home: Home) -> None:
    """ESI is given back, displaced contents stand where they stood, and the other pages hold the new P2M."""
    home.write(np.array([61]), np.arange(1024, dtype=np.uint32))
    assert resume.undo(home, 60, (58,), GOOD) == 0xC003_D000
    assert home.page(58)[:64].tolist() == home.p2m.tolist()
    assert not home.page(59).any()
    assert home.page(60).tobytes() == b"\x07" * 4096
    assert home.domain.reserved == 60


@pytest.mark.parametrize(
    ("record", "frame_list", "changes", "message"),
    [
        (63, (61,), {}, "no room for the reserved pages"),
        (
            60,
            (57,),
            {},
            "not directly below the frame list .* expected PFN 0x3a .. 0x3a, got PFN 0x39",
        ),
        (60, (58,), {"registers": {}}, "must have replaced ESI alone"),
        (60, (58,), {"registers": {"esi": 1, "edi": 2}}, "must have replaced ESI alone; got esi, edi"),
        (60, (58,), {"registers": {"esi": 1 << 32}}, "must have replaced ESI alone"),
        (60, (58,), {"registers": {"esi": -1}}, "must have replaced ESI alone"),
        (60, (58,), {"displaced": {61: b""}}, "not reserved, or not of a page; .* got PFN 0x3d, 0 octets"),
        (60, (58,), {"displaced": {58: b"abc"}}, "not reserved, or not of a page; .* got PFN 0x3a, 3 octets"),
    ],
)
def test_what_cannot_be_undone(
    home: Home, record: int, frame_list: tuple[int, ...], changes: dict[str, Any], message: str
) -> None:
    """A suspension that this machine could not have made is refused."""
    with pytest.raises(DomainError, match=message):
        resume.undo(home, record, frame_list, attrs.evolve(GOOD, **changes))


def test_by_itself(home: Home) -> None:
    """A guest's own record tells shared_info anew, and only the entries of its P2M that are in use are written."""
    record = np.full(1024, 0x77, np.uint32)
    record[74] = 64
    home.write(np.array([20, 30]), np.stack([record, np.full(1024, 0x99, np.uint32)]))
    assert resume.by_itself(home, 20, (30,)) == home.mfn(20)
    words = home.page(20)
    assert words[:4].tolist() == [64, home.domain.shared_info_frame << 12, 0, 0x77]
    assert words[73] == 0x77
    assert home.page(30)[:64].tolist() == home.p2m.tolist()
    assert set(home.page(30)[64:].tolist()) == {0x99}
    assert home.domain.frame_list == (30,)


def test_a_record_that_counts_wrongly(home: Home) -> None:
    """A record for another number of pages is refused."""
    with pytest.raises(DomainError, match="counts other pages than the domain has; expected 64, got 0"):
        resume.by_itself(home, 20, (30,))
