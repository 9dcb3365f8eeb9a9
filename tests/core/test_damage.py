"""Every single-bit flip and every cut of a small image is refused, on every road, with its place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from domctx.api import Images, StateKey
from domctx.context import Operation
from domctx.errors import DomctxError, PluginError
from domctx.image import open_image
from domctx.load import load_made
from domctx.manifest import Manifest
from domctx.registry import Registry
from domctx.sources import BytesSource, RangeSource
from domctx.testing.streams import flipped, split
from domctx.verify import check_image, verify_image, verify_stream
from domctx.wire import END_RECORD, pack_header
from helpers import toy_vendor, toys
from helpers.toy_images import saved, toy_registry, vendor_registry
from helpers.toy_machines import ToyTarget

TOYS = toy_registry()
HELD: dict[StateKey[Any], Any] = {
    toys.DIAL: toys.Dial(toys.DialBody(42, 5)),
    toys.NOTES: toys.Notes([b"one", b""]),
    toys.LAMPS: toys.Lamps({7: b"lamp seven..", 9: b"lamp nine..."}),
    toys.BULK: toys.Bulk(3),
    toy_vendor.MARK: toy_vendor.Octets({5: b"marked"}),
}
IMAGE = saved(vendor_registry(), HELD)
"""START, MANIFEST, a record of each kind, an optional one that nobody knows, DIRECTORY, END."""
PLAIN = saved(TOYS, {toys.CLOCK: toys.Clock(3)}, Images.PLAIN)


class Maker:
    """Makes the target of a load, and keeps it."""

    def __init__(self) -> None:
        self.target: ToyTarget | None = None

    def __call__(self, manifest: Manifest | None) -> ToyTarget:
        """Make it."""
        self.target = ToyTarget()
        return self.target

    def check(self) -> None:
        """It was never committed, and aborted where it was made."""
        if self.target is not None:
            assert "commit" not in self.target.events
            assert self.target.events[-1] == "abort"


def placed(error: DomctxError, what: str) -> None:
    """An error says where, and is no plugin's bug."""
    assert not isinstance(error, PluginError), f"{what}: {error}"
    assert error.offset is not None, f"{what}: {error}"
    assert error.record, f"{what}: {error}"
    assert f"at 0x{error.offset:016x} in {error.record}: " in str(error)


def from_pipe(octets: bytes, what: str, registry: Registry = TOYS) -> None:
    """A load from a pipe and a verification of one refuse it."""
    made = Maker()
    with pytest.raises(DomctxError) as caught:
        load_made(BytesSource(octets, "pipe"), made, registry, Operation())
    placed(caught.value, what)
    made.check()
    (problem,) = verify_stream(BytesSource(octets, "pipe"), registry, Operation()).problems
    placed(problem, what)


class File:
    """A file in memory, and the threads that digest it."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("image")
        self.path = f"/proc/self/fd/{self.descriptor}"
        self.operation = Operation()

    def refuses(self, octets: bytes, what: str, registry: Registry = TOYS) -> None:
        """A verification of a file refuses it, and so does a load before its target is made."""
        self.write(octets)
        made = Maker()
        with pytest.raises(DomctxError) as caught:
            load_file(self.path, made, self.operation, registry)
        placed(caught.value, what)
        assert made.target is None, what
        problems = verified(self.path, self.operation, registry)
        assert problems, what
        for problem in problems:
            placed(problem, what)

    def write(self, octets: bytes) -> None:
        """Make these octets its own."""
        os.ftruncate(self.descriptor, len(octets))
        os.pwrite(self.descriptor, octets, 0)


@pytest.fixture
def file() -> Iterator[File]:
    """An empty one."""
    made = File()
    yield made
    made.operation.close()
    os.close(made.descriptor)


def load_file(path: str, made: Maker, operation: Operation, registry: Registry) -> None:
    """Load a file as ``domctx load`` does."""
    image = open_image(path)
    try:
        check_image(image, registry, operation)
        load_made(RangeSource(image.file, 0, image.file.size), made, registry, operation, digests=False)
    finally:
        image.close()


def verified(path: str, operation: Operation, registry: Registry) -> list[DomctxError]:
    """What ``domctx verify`` finds."""
    try:
        image = open_image(path)
    except DomctxError as error:
        return [error]
    try:
        return list(verify_image(image, registry, operation).problems)
    finally:
        image.close()


def test_the_image_itself_is_good(file: File) -> None:
    """On every road, with the vendor's plugin and without."""
    for octets in (IMAGE, PLAIN):
        file.write(octets)
        for registry in (TOYS, vendor_registry()):
            made = Maker()
            load_file(file.path, made, file.operation, registry)
            assert made.target is not None
            assert made.target.events[-1] == "commit"
            assert verified(file.path, file.operation, registry) == []


@pytest.mark.parametrize("part", range(4))
def test_every_bit_flip(file: File, part: int) -> None:
    """In START's version, in padding, in MANIFEST, in bodies, in DIRECTORY, in END."""
    for bit in range(part, 8 * len(IMAGE), 4):
        octets, what = flipped(IMAGE, bit), f"bit {bit & 7} of octet 0x{bit >> 3:x}"
        from_pipe(octets, what)
        file.refuses(octets, what)


def test_every_cut(file: File) -> None:
    """From no octet to all but one."""
    for image in (IMAGE, PLAIN):
        for size in range(len(image)):
            from_pipe(image[:size], f"cut to {size}")
            file.refuses(image[:size], f"cut to {size}")


def test_every_octet_more(file: File) -> None:
    """Behind END nothing stands."""
    for octets in (PLAIN + b"\0", PLAIN + END_RECORD, IMAGE + b"\0", IMAGE + IMAGE):
        from_pipe(octets, "longer")
        file.refuses(octets, "longer")


def test_flips_in_the_frame_of_a_plain_image(file: File) -> None:
    """Headers, padding and END; only the version and the body have nothing that covers them."""
    for bit in range(8 * len(PLAIN)):
        octet = bit >> 3
        if octet not in range(16, 24) and octet not in range(40, 48):
            octets, what = flipped(PLAIN, bit), f"bit {bit & 7} of octet 0x{octet:x}"
            from_pipe(octets, what)
            file.refuses(octets, what)


@pytest.mark.parametrize("type_", [0x8001_FFFE, 0x8002_0000, 0x8041_FFFF])
def test_a_directory_that_turns_into_an_unknown_record(file: File, type_: int) -> None:
    """Optional, as DIRECTORY is: the image then has a MANIFEST without one."""
    place = IMAGE.index(pack_header(0x8001_FFFF, 0, 0)[:8])
    octets = IMAGE[:place] + type_.to_bytes(4, "little") + IMAGE[place + 4 :]
    from_pipe(octets, hex(type_))
    file.refuses(octets, hex(type_))


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1, 1 << 40, 1 << 31])
def test_lengths_that_are_only_claimed(file: File, length: int) -> None:
    """Of START, MANIFEST, each record, DIRECTORY and END."""
    offset = 0
    for record in split(IMAGE):
        octets = IMAGE[: offset + 8] + length.to_bytes(8, "little") + IMAGE[offset + 16 :]
        from_pipe(octets, f"length at 0x{offset:x}")
        file.refuses(octets, f"length at 0x{offset:x}")
        offset += len(record.octets())
