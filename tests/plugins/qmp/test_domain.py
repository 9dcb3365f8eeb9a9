"""A real QEMU is saved while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from domctx.cli.run import run
from helpers.real_qemu import BARE, RealQemu


@pytest.fixture
def qemu() -> Iterator[RealQemu]:
    """A small machine that runs its BIOS."""
    with RealQemu(*BARE, "-machine", "pc", "-m", "16") as qemu:
        yield qemu.start()


def test_a_running_guest_is_saved_and_runs_on(qemu: RealQemu, tmp_path: Path) -> None:
    """A guest that runs is saved to an image that is good, and runs afterwards; its monitor is free again."""
    image = tmp_path / "vm.dctx"
    assert run(["save", f"qmp:{qemu.socket}", str(image)]) == 0
    assert run(["verify", str(image)]) == 0
    assert qemu.status() == "running"
    assert run(["info", f"qmp:{qemu.socket}"]) == 0
