"""Frames: up to 128 KiB of DATA pages packed by themselves, so that any page is read by unpacking one frame."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Final

import numpy as np
from blake3 import blake3
from isal import isal_zlib
from numpy.typing import NDArray

from domctx.api import Buffer
from domctx.errors import RecordError
from domctx.values import frozen
from domctx_memory.layout import DIGEST_SIZE, MAX_SHIFT, Codec, FrameEntry, frame_pages

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

WINDOW_LIMIT: Final[Mapping[int, int]] = {zstd.DecompressionParameter.window_log_max: MAX_SHIFT}
"""No frame needs to look back further than its own length: what claims more is refused before memory is taken."""
TABLES: Final[Mapping[int, int]] = {1: 15}
"""By level, the logarithm of the entries of the table in which zstd looks for what repeats, where its own choice is not
taken: at level 1 a frame packs nearly as small as one of twice its length would with zstd's own."""
PIECE: Final = 32 << 10
"""Octets that are unpacked at once: zstd gives so many without putting them together."""


@frozen
class Frame:
    """One packed frame; ``octets`` are the pages themselves where packing did not make them smaller."""

    octets: Buffer
    entry: FrameEntry


class Packer:
    """Packs frames; threads may share it, each has its own compressor."""

    def __init__(self, codec: Codec, level: int) -> None:
        self.codec = codec
        self._level = level
        self._own = threading.local()

    def frames(self, pages: NDArray[np.uint8], page_shift: int) -> Iterator[Frame]:
        """The frames of DATA ``pages`` u8[n, page size], which must live as long as the frames do."""
        step = frame_pages(page_shift)
        for start in range(0, len(pages), step):
            octets = pages[start : start + step].data.cast("B")
            packed = self._pack(octets)
            check = 0 if packed is octets else isal_zlib.crc32(packed)
            yield Frame(packed, FrameEntry(len(packed), check, digest_of(octets)))

    def _pack(self, octets: memoryview) -> Buffer:
        if self.codec is Codec.NONE:
            return octets
        packed = self._compressor().compress(octets, zstd.ZstdCompressor.FLUSH_FRAME)
        return packed if len(packed) < len(octets) else octets

    def _compressor(self) -> zstd.ZstdCompressor:
        try:
            compressor: zstd.ZstdCompressor = self._own.compressor
        except AttributeError:
            compressor = self._own.compressor = zstd.ZstdCompressor(options=_parameters(self._level))
        return compressor


def _parameters(level: int) -> Mapping[int, int]:
    """What zstd is asked for at ``level``."""
    chosen: dict[int, int] = {zstd.CompressionParameter.compression_level: level}
    if level in TABLES:
        chosen[zstd.CompressionParameter.hash_log] = TABLES[level]
    return chosen


def digest_of(octets: Buffer) -> bytes:
    """The digest of a frame's unpacked octets."""
    return blake3(octets).digest(length=DIGEST_SIZE)


def unpack(stored: Buffer, size: int, entry: FrameEntry, goal: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """The ``size`` octets of a frame, checked against its entry, in ``goal`` u8[size] where there is one.

    Without it, a view of ``stored`` where that is not compressed. Memory stays within ``size``, whatever the frame
    claims. Raises RecordError for a frame that cannot be unpacked, has another size, CRC or digest; ``goal`` then
    holds anything.
    """
    plain = len(stored) == size
    check = 0 if plain else isal_zlib.crc32(stored)
    if check != entry.check:
        raise RecordError(
            "the CRC of a frame is wrong: it is damaged", expected=f"0x{entry.check:08x}", got=f"0x{check:08x}"
        )
    if plain and goal is None:
        octets = np.frombuffer(stored, np.uint8)
    else:
        octets = np.empty(size, np.uint8) if goal is None else goal
        _put([stored] if plain else _decompressed(stored, size), octets.data)
    found = digest_of(octets.data)
    if found != entry.digest:
        raise RecordError("the digest of a frame is wrong: it is damaged", expected=entry.digest.hex(), got=found.hex())
    return octets


def _put(pieces: Iterable[Buffer], goal: memoryview) -> None:
    """Put ``pieces`` one behind the other into ``goal``."""
    done = 0
    for piece in pieces:
        goal[done : done + len(piece)] = piece
        done += len(piece)


def _decompressed(stored: Buffer, size: int) -> Iterator[bytes]:
    """The ``size`` octets of a packed frame, piece by piece."""
    decompressor = zstd.ZstdDecompressor(options=WINDOW_LIMIT)
    done = 0
    while not decompressor.eof and done <= size:
        try:
            piece = decompressor.decompress(b"" if done else stored, max_length=min(PIECE, size + 1 - done))
        except zstd.ZstdError as error:
            raise RecordError(f"a frame cannot be decompressed: {error}") from error
        done += len(piece)
        if not piece:
            break
        if done <= size:
            yield piece
    if done != size or not decompressor.eof or decompressor.unused_data:
        raise RecordError(
            "a frame is not one whole zstd frame of its size",
            expected=f"0x{size:08x} octets, and nothing behind them",
            got=f"{'more than ' if done > size else ''}0x{min(done, size):08x}",
        )
