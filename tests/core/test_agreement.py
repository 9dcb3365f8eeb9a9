"""Every road gives the same verdict on an image, whatever was done to its records before they were sealed again."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import attrs
import pytest

from domctx.api import Images
from domctx.context import Operation
from domctx.diff import diff
from domctx.directory import WIRE_TYPE
from domctx.errors import DomctxError, PluginError
from domctx.image import Image, open_image
from domctx.image_domain import ImageDomain
from domctx.load import load
from domctx.registry import Registry
from domctx.save import save
from domctx.show import show
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.testing.streams import RawRecord, join
from domctx.verify import verify_image, verify_stream
from domctx.wire import END_RECORD
from helpers import toy_transform, toy_vendor, toys
from helpers.toy_images import records_of, saved, sealed, states, toy_registry, vendor_image, vendor_registry
from helpers.toy_machines import ToyDomain, ToyTarget

TRANSFORMING = toy_registry(**{"acme:double": toy_transform})
REGISTRIES = [toy_registry(), vendor_registry(), TRANSFORMING]
IMAGES = [vendor_image(), saved(TRANSFORMING, states())]
PLAIN = saved(toy_registry(), states(), Images.PLAIN)
TYPES = [
    0, 1, 2, 3, 9, 0x8000_0009, 0x1_0000, 0x1_FFFF, WIRE_TYPE, 0x7FFF_FFFF, 0xFFFF_FFFF, toys.DIAL_CODE,
    toys.NOTES_CODE, 0x8000_0000 | toys.NOTES_CODE, toys.LAMPS_CODE, toys.BULK_CODE, toys.CLOCK_CODE,
    toy_vendor.MARK_CODE, 0x8000_0000 | toy_vendor.MARK_CODE, toy_vendor.NEED_CODE,
]  # fmt: skip


def changed(records: list[RawRecord], rng: random.Random) -> list[RawRecord]:
    """The records with one of them changed, doubled, gone or moved."""
    place = rng.randrange(len(records))
    record = records[place]
    body = bytearray(record.body)
    if body:
        body[rng.randrange(len(body))] = rng.randrange(256)
    others = [
        [attrs.evolve(record, type=rng.choice(TYPES))],
        [attrs.evolve(record, instance=rng.choice([0, 1, 2, 3, 5, 7, 0xFFFF_FFFF]))],
        [attrs.evolve(record, body=bytes(body))],
        [attrs.evolve(record, body=record.body[: rng.randrange(len(record.body) + 1)])],
        [attrs.evolve(record, body=record.body + bytes(rng.randrange(20)))],
        [attrs.evolve(record, pad=rng.randbytes(-len(record.body) % 8))],
        [record, rng.choice(records)],
        [],
    ]
    return [*records[:place], *rng.choice(others), *records[place + 1 :]]


def mutants(seed: int, count: int) -> Iterator[bytes]:
    """Images whose records were changed, with right digests again; some of them plain."""
    rng = random.Random(seed)
    for _ in range(count):
        image = rng.choice([*IMAGES, PLAIN])
        records = records_of(image)
        for _ in range(rng.choice([1, 1, 2, 3])):
            records = changed(records or records_of(image), rng)
        yield join(records) + END_RECORD if image is PLAIN else sealed(records)


def refusal(call: Callable[[], None]) -> DomctxError | None:
    """The error that a call ends with, or None; never a bug of a plugin's."""
    try:
        call()
    except PluginError:
        raise
    except DomctxError as error:
        return error
    return None


def loads(octets: bytes, registry: Registry) -> bool:
    """Whether an image loads from a pipe; if not, it is refused with a place, and the target aborted."""
    target = ToyTarget()
    error = refusal(lambda: load(BytesSource(octets), target, registry))
    assert target.events[-1] == ("commit" if error is None else "abort")
    assert error is None or (error.offset is not None and error.record)
    return error is None


def try_everything(image: Image, registry: Registry, operation: Operation) -> bool:
    """Whether an opened image can be shown, compared and saved; if not, it is refused."""

    def everything() -> None:
        domain = ImageDomain(image, registry, operation)
        list(show(domain))
        list(diff(domain, ToyDomain(states()), registry, operation))
        save(domain, BytesSink(), registry, operation)

    return refusal(everything) is None


@pytest.mark.parametrize("seed", range(4))
def test_every_road_gives_the_same_verdict(seed: int) -> None:
    """Load and verification, from a pipe and in a file; what loads can be opened, shown, compared and saved again."""
    descriptor = os.memfd_create("image")
    path = f"/proc/self/fd/{descriptor}"
    good = 0
    for number, octets in enumerate(mutants(seed, 150)):
        registry = REGISTRIES[number % len(REGISTRIES)]
        verdict = loads(octets, registry)
        good += verdict
        assert verdict == (not verify_stream(BytesSource(octets), registry, Operation()).problems)
        os.ftruncate(descriptor, len(octets))
        os.pwrite(descriptor, octets, 0)
        try:
            image = open_image(path)
        except DomctxError:
            assert not verdict
            continue
        with Operation() as operation:
            assert verdict == (not verify_image(image, registry, operation).problems)
            assert try_everything(image, registry, operation) or not verdict
        image.close()
    os.close(descriptor)
    assert 5 < good < 145
