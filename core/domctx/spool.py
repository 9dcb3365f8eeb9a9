"""A body whose length is not known before it ends: in memory up to a limit, then in a file that has no name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from domctx.disk import refused

if TYPE_CHECKING:
    from domctx.protocols import Buffer

BUFFER_LIMIT: Final = 16 << 20
"""Octets that are kept in memory; what is longer goes to a file."""
PIECE: Final = 1 << 20
"""Octets that are read back at once."""


class Spool:
    """Takes octets once, and gives them back once."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(BUFFER_LIMIT)  # noqa: SIM115 (lives until it was given back)
        self.size = 0
        """Octets that were taken."""

    def write(self, data: Buffer) -> None:
        """Take ``data``. Raises DomainError where the disk refuses."""
        try:
            self.size += self._file.write(data)
        except OSError as error:
            raise refused(error, tempfile.gettempdir()) from error

    def pieces(self) -> Iterator[bytes]:
        """What was taken, in order; the file is gone afterwards. Raises DomainError where the disk refuses."""
        with self._file as file:
            try:
                file.seek(0)
                while piece := file.read(PIECE):
                    yield piece
            except OSError as error:
                raise refused(error, tempfile.gettempdir()) from error
