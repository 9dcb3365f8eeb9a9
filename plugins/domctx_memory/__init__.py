"""Guest memory: MEMORY records, the pages of an opened image, and the commands ``extract`` and ``read``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domctx_memory.stored import StoredMemory as StoredMemory

__all__ = ["StoredMemory"]


def __getattr__(name: str) -> Any:
    if name != "StoredMemory":
        raise AttributeError(f"module 'domctx_memory' has no attribute {name!r}")
    from domctx_memory.stored import StoredMemory

    return StoredMemory
