"""The HVM context and parameters in memory: of an opened image, of a file, of a test."""

from __future__ import annotations

from collections.abc import Sequence


class StoredHvmContext:
    """HVM_CONTEXT that keeps what was stored."""

    def __init__(self, octets: bytes | None = None) -> None:
        self._octets = octets

    @property
    def octets(self) -> bytes | None:
        """The HVM save image; None where nothing was stored."""
        return self._octets

    def store(self, octets: bytes) -> None:
        """Take the image; replaces an earlier one."""
        self._octets = octets


class StoredHvmParams:
    """HVM_PARAMS that keeps what was stored."""

    def __init__(self, params: Sequence[tuple[int, int]] | None = None) -> None:
        self._params = None if params is None else tuple(params)

    @property
    def params(self) -> tuple[tuple[int, int], ...] | None:
        """(index, value) in the source's order; None where nothing was stored."""
        return self._params

    def store(self, params: Sequence[tuple[int, int]]) -> None:
        """Take all parameters; replaces earlier ones."""
        self._params = tuple(params)
