"""Tests of domctx.walk: what MANIFEST says of record types is held against ours."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from domctx import manifest
from domctx.context import Operation
from domctx.errors import DomctxError, UnsupportedError
from domctx.registry import Registry
from domctx.sources import BytesSource
from domctx.testing.streams import RawRecord
from domctx.verify import Checker
from domctx.walk import Walk, unknown_type
from domctx.wire import END_RECORD, Header, pack_header
from helpers import toy_transform, toy_vendor, toys
from helpers.toy_images import (
    SMALLEST,
    one_type,
    records_of,
    resealed,
    saved,
    sealed,
    states,
    toy,
    toy_registry,
    types_plugin,
    vendor_registry,
)

TOYS = toy_registry()
IMAGE = saved(TOYS, states())
START, MANIFEST, *_ = RECORDS = records_of(IMAGE)


def walk(image: bytes, registry: Registry = TOYS) -> Checker:
    """Walk an image whole, and decode everything."""
    checker = Checker(registry, Operation())
    Walk(BytesSource(image), registry, Operation()).into(checker)
    return checker


def refused(image: bytes, registry: Registry = TOYS) -> DomctxError:
    """What an image is refused with: always with a place."""
    with pytest.raises(DomctxError) as caught:
        walk(image, registry)
    assert caught.value.offset is not None
    assert caught.value.record
    return caught.value


def told_otherwise(**changes: Any) -> bytes:
    """The image, with another entry for DIAL in MANIFEST."""
    found = manifest.decode(MANIFEST.body)
    uses = [attrs.evolve(use, **changes) if use.name == "DIAL" else use for use in found.types]
    return resealed(IMAGE, 1, body=manifest.encode(attrs.evolve(found, types=tuple(uses))))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "KNOB"}, "0x0001e000 has two names; expected DIAL (of domctx:toys), got KNOB (of domctx)"),
        ({"readable_since": 4}, "DIAL needs a newer reader; expected readable since version 3 or older, got 4"),
        ({"transforms": ("acme/veil",)}, "DIAL was transformed by acme/veil, which is not installed or not enabled"),
    ],
)
def test_types_that_cannot_be_read_are_refused_before_anything_is(changes: dict[str, Any], message: str) -> None:
    """Where MANIFEST says so."""
    error = refused(told_otherwise(**changes))
    assert isinstance(error, UnsupportedError)
    assert message in str(error)
    assert (error.record, error.offset) == ("MANIFEST[0]", 24)


def test_a_newer_version_that_is_readable_is_read() -> None:
    """The handler is told the version of the bodies."""
    newer = told_otherwise(version=5, readable_since=3)
    assert walk(newer).state(toys.DIAL) == states()[toys.DIAL]


def test_an_older_version_that_is_no_longer_read_is_refused() -> None:
    """With the distribution that wrote it; the oldest that is read is read."""
    need = attrs.evolve(toy_vendor.domctx_record_types()[1], version=2)
    image = saved(toy_registry(acme=types_plugin(need)), {toy_vendor.NEED: toy_vendor.Octets({1: b"x"})})
    assert walk(image, toy_registry(acme=types_plugin(attrs.evolve(need, version=3, oldest=2))))
    error = refused(image, toy_registry(acme=types_plugin(attrs.evolve(need, version=3, oldest=3))))
    assert isinstance(error, UnsupportedError)
    assert "acme/need is of a version that is no longer read; expected version 3 or newer, got 2" in str(error)
    assert "or older, which wrote it" in str(error)


def test_an_unknown_type_names_who_can_read_it() -> None:
    """By MANIFEST, where it says."""
    image = saved(vendor_registry(), {toy_vendor.NEED: toy_vendor.Octets({1: b"x"})})
    error = refused(image)
    assert isinstance(error, UnsupportedError)
    assert str(error).endswith(
        "in type 0x00020011[1]: unknown record type\n"
        "  acme/need can be read by the distribution acme 1.5: install it, or enable it"
    )
    one_file = manifest.TypeUse(0x20011, "acme/need", "file", "0", 1, 1)
    found = attrs.evolve(manifest.decode(MANIFEST.body), types=(one_file,))
    by_a_file = str(unknown_type(Header(0x20011, 1, 0), 0, found))
    assert by_a_file.endswith("\n  acme/need was written by a one-file plugin: name it, domctx --plugin FILE ...")
    bare = SMALLEST[:24] + pack_header(0x20011, 1, 0) + END_RECORD
    assert str(refused(bare)).endswith("\n  no plugin that is installed and enabled knows the type")


def test_transforms_that_are_installed_are_welcome() -> None:
    """Both ways."""
    registry = toy_registry(**{"acme:double": toy_transform})
    image = saved(registry, states())
    assert walk(image, registry)
    assert "NOTES was transformed by acme/double" in str(refused(image))


def test_a_record_of_xen_s_stands_in_plain_images_only() -> None:
    """One state, one record: what MANIFEST lists must belong into its image."""
    found = manifest.decode(MANIFEST.body)
    xen = attrs.evolve(found.types[0], code=toys.XEN_CODE, name="XEN_CLOCK")
    listed = attrs.evolve(MANIFEST, body=manifest.encode(attrs.evolve(found, types=(*found.types, xen))))
    error = refused(sealed([START, listed, RawRecord(toys.XEN_CODE, 0, bytes(8)), *RECORDS[2:]]))
    assert "the type stands in plain v10 images only" in str(error)
    assert error.record == "XEN_CLOCK[0]"


def test_a_registry_of_nothing_knows_nothing() -> None:
    """Not even one type."""
    assert isinstance(refused(IMAGE, one_type(toy(toys.BULK_CODE))), UnsupportedError)
