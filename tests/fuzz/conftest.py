"""Every target runs in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.fuzzing import bounded


@pytest.fixture(autouse=True)
def in_bounded_memory(request: pytest.FixtureRequest) -> Iterator[None]:
    """No target passes the ``LIMIT`` of its module."""
    with bounded(request.module.LIMIT):
        yield
