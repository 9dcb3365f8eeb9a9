"""What every test may use: the length of a fuzz run, and the corpus of real saved states where it is at hand."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

signal.signal(signal.SIGINT, signal.default_int_handler)
"""Tests send it: a shell starts what runs in its background with SIGINT ignored, and processes inherit that."""

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The seconds that each fuzz target runs."""
    parser.addoption("--fuzz-seconds", type=float, default=1.0, help="how long each fuzz target runs")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The corpus of real saved states, beside the checkout or where DOMCTX_CORPUS says; skips where there is none."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    found = Path(os.environ.get("DOMCTX_CORPUS", beside))
    if not found.is_dir():
        pytest.skip("no corpus of real saved states beside the checkout (set DOMCTX_CORPUS)")
    return found
