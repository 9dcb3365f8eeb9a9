"""A real guest is saved, loaded into other frames and goes on: afterwards it equals a twin that was never saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domctx.cli.run import run
from domctx_sim.kernel_image import KernelImage, make_guest, read_image
from domctx_sim.machine import Machine
from domctx_sim.p2m import machine_p2m
from helpers.counting_guest import COUNTER, KINDS, LOOP, SETUP, made
from helpers.emulator import run_guest
from helpers.machines import BASE, copied, told_of


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of machine."""
    return str(request.param)


@pytest.fixture
def guest(kind: str, tmp_path: Path) -> Path:
    """A machine with the guest in 4 MiB, not started yet."""
    (tmp_path / "guest.img").write_bytes(make_guest(KINDS[kind][1], BASE, packed=True))
    image = read_image(tmp_path / "guest.img", 1 << 22)
    assert image == KernelImage(BASE, KINDS[kind][1])
    return made(tmp_path / "guest", kind)


def memory(folder: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    """The guest's canonical memory: u32[pages, 1024]."""
    return np.frombuffer(told_of(folder)["memory"], np.uint32).reshape(-1, 1024)


def test_the_guest_counts(guest: Path, kind: str) -> None:
    """The guest runs through its page tables: it counts, writes across pages, and reaches the shared page."""
    turns = 1000
    run_guest(guest, SETUP + LOOP * turns + 3)
    pages = memory(guest)
    assert pages[COUNTER, 0] == turns + 1
    assert pages[COUNTER, 1] == turns * KINDS[kind][2] % (1 << 32)
    assert np.count_nonzero(pages[128:512].any(axis=1)) > 300
    shared = np.frombuffer(told_of(guest)["shared_info"].page, np.uint32)
    assert shared[0xFF8 // 4] == turns


@pytest.mark.parametrize(("before", "after"), [(0, 2000), (SETUP + 5, 7777), (12345, 54321), (20003, 0)])
def test_twins(guest: Path, kind: str, tmp_path: Path, before: int, after: int) -> None:
    """Whenever the guest is saved: loaded into other frames it goes on as its twin that was never saved."""
    twin = made(tmp_path / "twin", kind, seed=77)
    run_guest(twin, before + after)
    run_guest(guest, before)
    assert run(["save", f"sim:{guest}", str(tmp_path / "a.dctx")]) == 0
    assert run(["load", str(tmp_path / "a.dctx"), f"sim:{tmp_path / 'moved'}", "-O", "seed=3"]) == 0
    run_guest(tmp_path / "moved", after)
    _same(told_of(tmp_path / "moved"), told_of(twin))
    assert run(["diff", f"sim:{tmp_path / 'moved'}", f"sim:{twin}"]) == 0


def _same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """What two domains tell is the same but for their run state."""
    assert one.keys() == other.keys()
    for name in one:
        assert one[name] == other[name], name


def test_moved_again_and_again(guest: Path, kind: str, tmp_path: Path) -> None:
    """A guest that is moved every 997 instructions equals its twin, and is never twice in the same frames."""
    twin = copied(guest, tmp_path / "twin", seed=50)
    place, frames = guest, set()
    for move in range(6):
        run_guest(place, 997)
        with Machine(place) as machine:
            frames.add(tuple(machine_p2m(machine, machine.domain)[:200].tolist()))
        place = copied(place, tmp_path / f"move{move}", seed=100 + move)
    run_guest(twin, 6 * 997)
    _same(told_of(place), told_of(twin))
    assert len(frames) == 6
    assert kind == "2-level" or max(map(max, frames)) >= 1 << 20


def test_saving_does_not_touch_the_guest(guest: Path, tmp_path: Path) -> None:
    """The guest that was saved goes on where it was, as if nothing had been."""
    twin = copied(guest, tmp_path / "twin")
    run_guest(guest, 5000)
    assert run(["save", f"sim:{guest}", str(tmp_path / "a.dctx")]) == 0
    run_guest(guest, 5000)
    run_guest(twin, 10000)
    _same(told_of(guest), told_of(twin))
