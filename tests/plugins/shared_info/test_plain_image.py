"""Whole plain v10 images with Xen's own records, over the core's roads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domctx.api import Images, Machine, StateKey
from domctx.image import open_image
from domctx.image_domain import ImageDomain
from domctx.load import load
from domctx.save import save
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.states import CLOCK, SHARED_INFO, TscContext
from domctx.testing import StatesDomain, StatesTarget, registry_of
from domctx_clock import StoredClock
from domctx_clock.plugin import domctx_record_types as clock_types
from domctx_shared_info import StoredSharedInfo
from domctx_shared_info.pages import record_body, take_over
from domctx_shared_info.plugin import domctx_record_types as shared_info_types
from helpers.shared_info_states import patterned

REGISTRY = registry_of([*shared_info_types(), *clock_types()])
PAGE = patterned("xen-x86_64")

IMAGE = b"".join(
    [
        bytes.fromhex("01000000 00000000 0800000000000000 04000000 0f000000"),
        bytes.fromhex("02000000 00000000 440c000000000000 00000000"),
        PAGE.page[:3136] + bytes(4),
        bytes.fromhex("03000000 00000000 1800000000000000 01000000 02000000 0300000000000000 04000000 00000000"),
        bytes(16),
    ]
)
"""Composed by hand from formats/xen.md 2.1 and 2.2: START, SHARED_INFO, TSC_INFO as the posted saver wrote it, END."""


def saved(domain: StatesDomain | ImageDomain) -> bytes:
    """The plain v10 image of a domain."""
    sink = BytesSink()
    save(domain, sink, REGISTRY, images=Images.PLAIN)
    return bytes(sink.octets)


def test_a_domain_saves_to_the_image_composed_by_hand() -> None:
    """The page's structure and the clock stand in the image as the reference has them."""
    states: dict[StateKey[Any], Any] = {
        SHARED_INFO: StoredSharedInfo(PAGE),
        CLOCK: StoredClock(TscContext(1, 2, 3, 4), posted=True),
    }
    assert saved(StatesDomain(Machine("plain", "x86_64"), states)) == IMAGE


def test_an_opened_image_saves_to_the_same_octets(tmp_path: Path) -> None:
    """Opening keeps every octet of shared info, and the length of TSC_INFO."""
    path = tmp_path / "plain.dctx"
    path.write_bytes(IMAGE)
    domain = ImageDomain(open_image(str(path)), REGISTRY)
    assert saved(domain) == IMAGE
    domain.close()


def test_a_domain_takes_the_image_over() -> None:
    """Loaded into a domain that has a page, the image obeys Xen's rules; the clock is that of the image."""
    own, clock = StoredSharedInfo(patterned("xen-x86_64")), StoredClock()
    target = StatesTarget({SHARED_INFO: lambda machine: own, CLOCK: lambda machine: clock})
    load(BytesSource(IMAGE), target, REGISTRY)
    assert own.context == take_over(record_body(PAGE), PAGE)
    assert own.context != PAGE
    assert clock.tsc == TscContext(1, 2, 3, 4)
