"""A small image of every bundled record type: whatever is flipped or cut, ``verify`` finds it and says where."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from domctx.context import Operation
from domctx.errors import DomctxError
from domctx.files import RandomFile
from domctx.image import Image
from domctx.registry import Registry
from domctx.sources import BytesSource
from domctx.states import MEMORY
from domctx.verify import Checker, verify_image
from domctx.walk import Walk
from helpers.whole_machine import image_of, registry, states

PARTS = 8
"""Into how many tests the flips are cut, so that all cores have some."""


@pytest.fixture(scope="module")
def plugins() -> Registry:
    """The bundled state plugins."""
    return registry()


@pytest.fixture(scope="module")
def image() -> bytes:
    """A small image: every state but memory, which has a campaign of its own with the memory plugin."""
    found = states()
    del found[MEMORY]
    return image_of(found)


def verify(octets: bytes, plugins: Registry, folder: Path) -> list[DomctxError]:
    """The problems that ``verify`` of a file tells."""
    path = folder / "flipped.dctx"
    path.write_bytes(octets)
    with Operation() as operation:
        try:
            image = Image(RandomFile(os.open(path, os.O_RDONLY), str(path)))
        except DomctxError as error:
            return [error]
        try:
            return list(verify_image(image, plugins, operation).problems)
        finally:
            image.close()


def walk(octets: bytes, plugins: Registry) -> list[DomctxError]:
    """The problem that ``verify`` of a pipe tells."""
    with Operation() as operation:
        try:
            Walk(BytesSource(octets), plugins, operation).into(Checker(plugins, operation))
        except DomctxError as error:
            return [error]
    return []


def flips(octets: bytes, part: int) -> Iterator[tuple[int, bytes]]:
    """(bit, octets) of a share of the single-bit flips: one bit of each octet, each bit of the first and last 64.

    Every bit of a smaller image is flipped in the tests of the core.
    """
    for index in range(part, len(octets), PARTS):
        for bit in range(8) if not 64 <= index < len(octets) - 64 else (index // PARTS % 8,):
            flipped = bytearray(octets)
            flipped[index] ^= 1 << bit
            yield index * 8 + bit, bytes(flipped)


def is_told(problems: list[DomctxError]) -> bool:
    """Whether there is a problem, and it names an offset and a record."""
    return bool(problems) and problems[0].offset is not None and problems[0].record is not None


def test_good(image: bytes, plugins: Registry, tmp_path: Path) -> None:
    """The image itself is good, as a file and as a stream."""
    assert not verify(image, plugins, tmp_path)
    assert not walk(image, plugins)


@pytest.mark.parametrize("part", range(PARTS))
def test_flip_in_a_stream(part: int, image: bytes, plugins: Registry) -> None:
    """A flipped bit is found while a stream is read, with its offset and record."""
    assert not [bit for bit, octets in flips(image, part) if not is_told(walk(octets, plugins))]


@pytest.mark.parametrize("part", range(PARTS))
def test_flip_in_a_file(part: int, image: bytes, plugins: Registry, tmp_path: Path) -> None:
    """A flipped bit is found in a file, with its offset and record."""
    assert not [bit for bit, octets in flips(image, part) if not is_told(verify(octets, plugins, tmp_path))]


def test_cut(image: bytes, plugins: Registry, tmp_path: Path) -> None:
    """An image that is cut anywhere is found cut, as a file and as a stream."""
    for size in {*range(0, len(image), 5), *range(len(image) - 64, len(image))}:
        assert is_told(walk(image[:size], plugins)) or size < 16
        assert verify(image[:size], plugins, tmp_path)
