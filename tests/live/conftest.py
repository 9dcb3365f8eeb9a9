"""What every live test begins with: the guest, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.guest.build import build


@pytest.fixture(scope="session")
def guest_kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guest of our own, to be started with ``-kernel``."""
    return build(tmp_path_factory.mktemp("guest") / "guest.elf")
