"""The file that holds a stream."""

from __future__ import annotations

from domctx.files import StreamFile, open_at_random
from domctx_xen.layout import SCHEME


def open_file(path: str) -> StreamFile:
    """Open a file. Raises DomainError where it cannot be read, UsageError where it is a pipe or a folder."""
    return StreamFile(open_at_random(path, SCHEME), path)
