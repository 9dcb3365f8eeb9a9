"""``DOMCTX_TRACE=1``: each call of a handler, and of each wrapper around it, told with the time that it took."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

Tell = Callable[[str], None]


def traced(handler: Callable[..., None], what: str, tell: Tell | None) -> Callable[..., None]:
    """The handler itself where nobody is told; else one that tells when a call of it has ended, and how."""
    if tell is None:
        return handler

    @functools.wraps(handler)
    def call(*arguments: Any) -> Any:
        start = time.perf_counter()
        end = "raised"
        try:
            found: Any = handler(*arguments)  # type: ignore[func-returns-value]  # of one that is wrong, not None
            end = "took"
            return found
        finally:
            tell(f"trace: {what} {end} {1000 * (time.perf_counter() - start):.3f} ms")

    return call


def name_of(handler: Callable[..., None]) -> str:
    """Where a handler stands: ``module.function``."""
    return f"{getattr(handler, '__module__', '?')}.{getattr(handler, '__qualname__', type(handler).__qualname__)}"
