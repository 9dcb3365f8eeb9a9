"""The states of Xen's fully virtualised guests, and their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from domctx.api import StateKey


class HvmContext(Protocol):
    """The HVM context: what Xen keeps of a guest's processors and of the devices that it emulates itself."""

    @property
    def octets(self) -> bytes | None:
        """The HVM save image as the source gave it (formats/xen.md 3); None where nothing was stored yet."""

    def store(self, octets: bytes) -> None:
        """Take the image."""


class HvmParams(Protocol):
    """The HVM parameters."""

    @property
    def params(self) -> Sequence[tuple[int, int]] | None:
        """(index, value) in the source's order (formats/xen.md 4.2); None where nothing was stored yet."""

    def store(self, params: Sequence[tuple[int, int]]) -> None:
        """Take all parameters."""


HVM_CONTEXT: StateKey[HvmContext] = StateKey("hvm_context")
HVM_PARAMS: StateKey[HvmParams] = StateKey("hvm_params")
