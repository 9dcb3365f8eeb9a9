"""Frames are packed and unpacked."""

from __future__ import annotations

import sys
import tracemalloc

import attrs
import numpy as np
import pytest
from isal import isal_zlib
from numpy.typing import NDArray

from domctx.errors import RecordError
from domctx_memory.codec import Frame, Packer, digest_of, unpack
from domctx_memory.layout import Codec, FrameEntry

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = np.frombuffer((b"the quick brown fox jumps over the lazy dog. " * 200)[:8192], np.uint8).reshape(2, 4096)
NOISE = np.random.default_rng(1).integers(0, 256, (2, 4096)).astype(np.uint8)


def frame_of(pages: NDArray[np.uint8], codec: Codec = Codec.ZSTD, level: int = 1) -> Frame:
    """The one frame of some pages."""
    (frame,) = Packer(codec, level).frames(pages, 12)
    return frame


def entry_of(octets: bytes, unpacked: bytes, *, plain: bool = False) -> FrameEntry:
    """An entry whose CRC and digest fit."""
    return FrameEntry(len(octets), 0 if plain else isal_zlib.crc32(octets), digest_of(unpacked))


@pytest.mark.parametrize("level", [-7, 1, 3, 19])
@pytest.mark.parametrize("pages", [TEXT, NOISE])
def test_frames_come_back(pages: NDArray[np.uint8], level: int) -> None:
    """Pages that were packed, at any level, are unpacked to the same octets, where they are wanted or anywhere."""
    frame = frame_of(pages, level=level)
    assert unpack(frame.octets, 8192, frame.entry).tobytes() == pages.tobytes()
    goal = np.zeros(8192, np.uint8)
    assert unpack(frame.octets, 8192, frame.entry, goal) is goal
    assert goal.tobytes() == pages.tobytes()


def test_a_higher_level_packs_smaller() -> None:
    """Of pages that are neither text nor noise."""
    steps = np.random.default_rng(2).integers(0, 9, (32, 4096))
    mixed = (steps.cumsum(axis=1) & 0x33).astype(np.uint8)
    sizes = [frame_of(mixed, level=level).entry.stored for level in (-7, 1, 19)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_what_does_not_get_smaller_stays_as_it_is() -> None:
    """Noise is not compressed, has no CRC, and is not copied; text is, and has one."""
    noise, text, plain = frame_of(NOISE), frame_of(TEXT), frame_of(TEXT, Codec.NONE)
    assert (noise.entry.stored, noise.entry.check) == (8192, 0)
    assert np.shares_memory(np.frombuffer(noise.octets, np.uint8), NOISE)
    assert text.entry.stored < 1000
    assert text.entry.check == isal_zlib.crc32(text.octets)
    assert (plain.entry.stored, plain.entry.check) == (8192, 0)


def test_a_frame_holds_32_pages() -> None:
    """Pages are cut into frames of 32, of which the last may be shorter; no pages make no frame."""
    pages = np.tile(TEXT, (40, 1))
    sizes = [len(unpack(frame.octets, size, frame.entry)) for frame, size in _with_sizes(pages)]
    assert sizes == [32 * 4096, 32 * 4096, 16 * 4096]
    assert list(Packer(Codec.ZSTD, 1).frames(pages[:0], 12)) == []


def _with_sizes(pages: NDArray[np.uint8]) -> list[tuple[Frame, int]]:
    frames = list(Packer(Codec.ZSTD, 1).frames(pages, 12))
    return [(frame, min(32, len(pages) - 32 * index) * 4096) for index, frame in enumerate(frames)]


def test_the_same_pages_give_the_same_frame() -> None:
    """A compressor that was used before packs just as a new one does."""
    used = Packer(Codec.ZSTD, 1)
    list(used.frames(NOISE, 12))
    assert [bytes(frame.octets) for frame in used.frames(TEXT, 12)] == [bytes(frame_of(TEXT).octets)]


def test_every_changed_bit_is_seen() -> None:
    """A frame with any one bit flipped, compressed or not, is refused."""
    for frame in (frame_of(TEXT), frame_of(NOISE[:1], Codec.NONE)):
        size = 8192 if frame.entry.check else 4096
        octets = bytes(frame.octets)
        for bit in range(0, 8 * len(octets), 1 if len(octets) < 1000 else 101):
            damaged = bytearray(octets)
            damaged[bit // 8] ^= 1 << bit % 8
            with pytest.raises(RecordError, match=r"CRC|digest"):
                unpack(bytes(damaged), size, frame.entry)


def test_a_wrong_digest_is_refused() -> None:
    """A frame whose octets are not those that its digest tells is refused, naming both."""
    frame = frame_of(TEXT)
    with pytest.raises(RecordError, match="the digest of a frame is wrong") as caught:
        unpack(frame.octets, 8192, attrs.evolve(frame.entry, digest=bytes(16)))
    assert caught.value.expected == bytes(16).hex()
    assert caught.value.got == digest_of(TEXT.tobytes()).hex()


def test_octets_that_are_no_zstd_frame_are_refused() -> None:
    """Octets whose CRC is right and that zstd does not understand are refused."""
    with pytest.raises(RecordError, match="cannot be decompressed"):
        unpack(b"no frame at all", 4096, entry_of(b"no frame at all", b""))


@pytest.mark.parametrize(
    "octets",
    [
        zstd.compress(TEXT.tobytes())[:-1],
        zstd.compress(TEXT.tobytes()) + b"x",
        zstd.compress(TEXT.tobytes()[:4096]) + zstd.compress(TEXT.tobytes()[4096:]),
        zstd.compress(TEXT.tobytes()[:-1]),
        zstd.compress(TEXT.tobytes() + b"x"),
        zstd.ZstdCompressor().compress(TEXT.tobytes(), zstd.ZstdCompressor.FLUSH_BLOCK),
    ],
    ids=["cut", "longer", "two frames", "too little", "too much", "no end"],
)
def test_a_frame_that_is_not_one_whole_frame_of_its_size_is_refused(octets: bytes) -> None:
    """A frame that is cut, has something behind it, or unpacks to another size is refused."""
    with pytest.raises(RecordError, match="not one whole zstd frame"):
        unpack(octets, 8192, entry_of(octets, TEXT.tobytes()))


def test_a_bomb_takes_no_memory() -> None:
    """A frame that would unpack to 256 MiB is refused within a few times the size that it was said to have."""
    bomb = zstd.compress(bytes(256 << 20))
    tracemalloc.start()
    with pytest.raises(RecordError, match=r"more than 0x00010000"):
        unpack(bomb, 1 << 16, entry_of(bomb, b""))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_frame_that_wants_a_large_window_is_refused() -> None:
    """A frame that claims to look back 128 MiB is refused before memory is taken for it."""
    greedy = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    octets = greedy.compress(TEXT.tobytes()) + greedy.flush()
    with pytest.raises(RecordError, match="cannot be decompressed"):
        unpack(octets, 8192, entry_of(octets, TEXT.tobytes()))
