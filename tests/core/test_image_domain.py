"""Tests of domctx.image_domain: an opened image is itself a Domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domctx import image_domain, manifest
from domctx.api import Images, Machine
from domctx.context import Operation
from domctx.directory import WIRE_TYPE, encode
from domctx.errors import DomctxError, RecordError, StreamError, UnsupportedError
from domctx.groups import Group, GroupDigests
from domctx.image_domain import ImageDomain
from domctx.load import load
from domctx.plan import carried_by, leave_carried
from domctx.save import dry_run, save
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.testing.streams import RawRecord, join
from domctx.wire import END_RECORD, OPTIONAL
from helpers import toy_transform, toy_vendor, toys
from helpers.toy_files import domain_of
from helpers.toy_images import (
    SMALLEST,
    one_type,
    records_of,
    resealed,
    saved,
    sealed,
    settled,
    states,
    toy,
    toy_registry,
    vendor_image,
    vendor_registry,
)
from helpers.toy_machines import MACHINE, ToyTarget

TOYS = toy_registry()
IMAGE = saved(TOYS, states())
START, MANIFEST, DIAL, *_ = RECORDS = records_of(IMAGE)


def test_every_state_is_there(tmp_path: Path) -> None:
    """As it was saved, read when it is asked for, and once."""
    domain = domain_of(tmp_path, IMAGE, TOYS)
    assert (domain.scheme, domain.one_pass, domain.machine) == ("dctx", False, MACHINE)
    assert domain.location == str(tmp_path / "image.dctx")
    assert set(domain.owned_states()) == set(states())
    for key, wanted in states().items():
        assert domain.state(key) == wanted
        assert domain.state(key) is domain.state(key)
    assert domain.state(toy_vendor.MARK) is None
    domain.pause()
    domain.unpause()
    domain.close()


def test_an_image_saves_to_the_same_image(tmp_path: Path) -> None:
    """Octet for octet, but for the time."""
    registry = vendor_registry()
    domain = domain_of(tmp_path, vendor_image(), registry)
    held = {key: domain.state(key) for key in domain.owned_states()}
    assert settled(saved(registry, held)) == settled(vendor_image())
    domain.close()


def test_a_plain_image_has_xen_s_states(tmp_path: Path) -> None:
    """And describes no machine."""
    domain = domain_of(tmp_path, saved(TOYS, states(), Images.PLAIN), TOYS)
    assert domain.owned_states() == [toys.CLOCK]
    assert (domain.state(toys.CLOCK), domain.state(toys.DIAL)) == (toys.Clock(0x1122), None)
    assert domain.machine == Machine("", "")
    domain.close()
    smallest = domain_of(tmp_path, SMALLEST, TOYS)
    assert smallest.owned_states() == []
    smallest.close()


def test_a_type_that_is_listed_without_a_record_is_an_empty_state(tmp_path: Path) -> None:
    """It was there when the image was saved."""
    domain = domain_of(tmp_path, saved(TOYS, {toys.NOTES: toys.Notes()}), TOYS)
    assert domain.owned_states() == [toys.NOTES]
    assert domain.state(toys.NOTES) == toys.Notes()
    domain.close()


def refused(call: Any, *arguments: Any) -> DomctxError:
    """The error that a call ends with."""
    with pytest.raises(DomctxError) as caught:
        call(*arguments)
    return caught.value


def test_damage_is_told_before_a_state_is_made(tmp_path: Path) -> None:
    """Of the state that is asked for; others are not looked at."""
    octets = bytearray(IMAGE)
    octets[octets.index(b"three and four!!")] ^= 1
    domain = domain_of(tmp_path, bytes(octets), TOYS)
    assert domain.state(toys.DIAL)
    error = refused(domain.state, toys.NOTES)
    assert "in NOTES[0]: the digest is wrong: the record is damaged" in str(error)
    domain.close()


def test_a_body_that_cannot_be_decoded_names_its_record(tmp_path: Path) -> None:
    """Though its digest is right."""
    domain = domain_of(tmp_path, resealed(IMAGE, 2, body=b"\0" * 5), TOYS)
    error = refused(domain.state, toys.DIAL)
    assert isinstance(error, RecordError)
    assert (error.file, error.record) == (domain.location, "DIAL[0]")
    assert error.offset == 24 + len(MANIFEST.octets())
    domain.close()


def test_a_view_reads_at_random(tmp_path: Path) -> None:
    """A type may give its state without loading it; not behind a transform."""
    seen: list[Any] = []

    def view(records: Any, context: Any) -> toys.Notes:
        seen.append([(r.instance, r.length, bytes(r.read(1, 2)) if r.length > 3 else b"") for r in records])
        return toys.Notes([bytes(r.read()) for r in records])

    kind = toy(toys.NOTES_CODE, view=view)
    image = saved(one_type(kind), {toys.NOTES: states()[toys.NOTES]})
    domain = domain_of(tmp_path, image, one_type(kind))
    assert domain.state(toys.NOTES) == states()[toys.NOTES]
    assert seen == [[(0, 3, b""), (1, 0, b""), (2, 16, b"hr")]]
    domain.close()
    veiled = toy_registry(**{"acme:double": toy_transform})
    domain = domain_of(tmp_path, saved(veiled, states()), veiled)
    assert domain.state(toys.NOTES) == states()[toys.NOTES]
    domain.close()


def test_types_are_held_against_ours_when_it_is_opened(tmp_path: Path) -> None:
    """With the file's name."""
    image = saved(toy_registry(**{"acme:double": toy_transform}), states())
    error = refused(domain_of, tmp_path, image, TOYS)
    assert str(error).startswith(f"{tmp_path / 'image.dctx'}: NOTES was transformed by acme/double")


NEED = saved(vendor_registry(), {toy_vendor.NEED: toy_vendor.Octets({1: b"x"})})


@pytest.mark.parametrize(
    ("image", "kind", "message"),
    [
        (NEED, UnsupportedError, "type 0x00020011[1]: unknown record type\n  acme/need can be read by the dist"),
        (resealed(IMAGE, 2, type=9 | OPTIONAL), UnsupportedError, "in type 0x80000009[0]: unknown record type"),
        (join([START, RawRecord(0x8002_0000, 0, b"")]) + END_RECORD, UnsupportedError, "in type 0x80020000[0]: unk"),
        (join([START, DIAL]) + END_RECORD, StreamError, "in DIAL[0]: the type stands in no plain v10 image"),
        (resealed(IMAGE, 2, type=toys.XEN_CODE), StreamError, "in XEN_CLOCK[0]: the type stands in plain v10"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_over_is_refused(
    tmp_path: Path, image: bytes, kind: type[DomctxError], message: str
) -> None:
    """When the states are listed: nothing is left out without a word."""
    domain = domain_of(tmp_path, image, TOYS)
    error = refused(domain.owned_states)
    assert isinstance(error, kind)
    assert message in str(error)
    assert error.file == domain.location
    domain.close()


def test_optional_unknown_records_are_carried_along(tmp_path: Path) -> None:
    """Verbatim, with their entry in MANIFEST, into another image; noted where they cannot be."""
    octets = vendor_image()
    domain = domain_of(tmp_path, octets, TOYS)
    (item,) = carried_by(domain)
    assert (item.code, item.name, item.header.instance) == (toy_vendor.MARK_CODE, "acme/mark", 5)
    assert b"".join(bytes(piece) for piece in item.body()) == b"marked"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_domain, "DIGEST_STEP", 4)
        assert list(item.body()) == [b"mark", b"ed"]
    assert octets[item.offset : item.offset + 4] == (toy_vendor.MARK_CODE | OPTIONAL).to_bytes(4, "little")
    sink = BytesSink()
    save(domain, sink, TOYS)
    copied = records_of(bytes(sink.octets))
    assert copied[2:] == records_of(octets)[2:]
    assert manifest.decode(copied[1].body).types == manifest.decode(records_of(octets)[1].body).types
    assert {row.record: row.octets for row in dry_run(domain, TOYS)}["acme/mark"] == 24
    operation = Operation()
    save(domain, BytesSink(), TOYS, operation, images=Images.PLAIN)
    leave_carried(domain, operation)
    assert operation.notes[-1] == "acme/mark is optional and unknown: left out"
    domain.close()


def test_what_must_be_known_is_not_carried_along(tmp_path: Path) -> None:
    """Nor what stands in Xen's own range."""
    for image in (NEED, resealed(IMAGE, 2, type=9 | OPTIONAL)):
        domain = domain_of(tmp_path, image, TOYS)
        assert carried_by(domain) == []
        domain.close()


def test_a_carried_record_that_nobody_lists(tmp_path: Path) -> None:
    """Is named by its number, and goes into the other image all the same."""
    unlisted = RawRecord(0x8003_0000, 0, bytes(9))
    domain = domain_of(tmp_path, sealed([START, MANIFEST, unlisted]), TOYS)
    (item,) = carried_by(domain)
    assert (item.use, item.name) == (None, "type 0x80030000")
    sink = BytesSink()
    save(domain, sink, TOYS)
    copied = records_of(bytes(sink.octets))
    assert copied[-1].octets() == unlisted.octets()
    assert manifest.decode(copied[1].body).use_of(unlisted.type & ~OPTIONAL) is None
    domain.close()


def lying(*changes: tuple[int, str, int]) -> bytes:
    """An image whose DIRECTORY has right digests, but tells other groups: (group, field, value)."""
    body, digests = b"", GroupDigests()
    for record in RECORDS:
        digests.record(record.type, record.instance, len(body), len(record.octets()))
        digests.octets(record.octets())
        body += record.octets()
    groups: list[Group] = digests.finish()
    for index, field, value in changes:
        groups[index] = groups[index]._replace(**{field: value})  # type: ignore[arg-type]  # a field by its name
    told = encode(groups, sum(group.records for group in groups), len(body))
    return body + RawRecord(WIRE_TYPE, 0, told).octets() + END_RECORD


@pytest.mark.parametrize(("field", "value"), [("records", 2), ("records", 4), ("type", toys.LAMPS_CODE)])
def test_a_directory_that_lies_is_found_out(tmp_path: Path, field: str, value: int) -> None:
    """By whoever reads the records that it tells."""
    domain = domain_of(tmp_path, lying((3, field, value)), TOYS)

    def read() -> None:
        for group in domain.image.groups:
            list(domain.headers(group))

    error = refused(read)
    assert "DIRECTORY tells other records than the file has" in str(error)
    assert (error.file, error.record is not None, error.offset is not None) == (domain.location, True, True)
    domain.close()


def test_a_state_is_not_made_of_another_type_s_records(tmp_path: Path) -> None:
    """Where DIRECTORY calls them by its name."""
    domain = domain_of(tmp_path, lying((3, "type", toys.LAMPS_CODE)), TOYS)
    error = refused(domain.state, toys.LAMPS)
    assert "DIRECTORY tells other records than the file has" in str(error)
    assert error.file == domain.location
    domain.close()


def test_a_note_is_told_by_the_operation(tmp_path: Path) -> None:
    """That the domain was opened with."""
    operation = Operation()
    domain = domain_of(tmp_path, IMAGE, TOYS, operation)
    domain.note("odd")
    assert operation.notes == ["odd"]
    assert isinstance(domain, ImageDomain)
    domain.close()


def test_handlers_see_the_image_s_other_states(tmp_path: Path) -> None:
    """And the options of their type."""
    domain = domain_of(tmp_path, IMAGE, TOYS)
    context = domain.context(TOYS.types[toys.BULK_CODE].type)
    assert context.require(toys.DIAL) == states()[toys.DIAL]
    assert context.option("hold") is None
    assert context.machine == MACHINE
    domain.close()


def test_records_can_be_had_at_random(tmp_path: Path) -> None:
    """In stream order, with the version that MANIFEST tells."""
    domain = domain_of(tmp_path, IMAGE, TOYS)
    (dial,) = domain.records(TOYS.types[toys.DIAL_CODE])
    assert (dial.version, dial.decode()) == (3, toys.DialBody(42, 5))
    assert [record.instance for record in domain.records(TOYS.types[toys.LAMPS_CODE])] == [7, 0xFFFF_FFFF]
    domain.close()
    plain = domain_of(tmp_path, saved(TOYS, states(), Images.PLAIN), TOYS)
    assert plain.version(TOYS.types[toys.XEN_CODE]) == 1
    plain.close()


def test_a_file_that_shrinks_is_found_out(tmp_path: Path) -> None:
    """Its records are no longer what DIRECTORY tells."""
    domain = domain_of(tmp_path, IMAGE, TOYS)
    with open(domain.location, "r+b") as file:
        file.truncate(200)
    assert "the digest is wrong" in str(refused(domain.state, toys.LAMPS))
    error = refused(domain.records, TOYS.types[toys.LAMPS_CODE])
    assert "DIRECTORY tells other records than the file has" in str(error)
    domain.close()


def test_toys_are_as_they_were() -> None:
    """The image that these tests change loads by itself."""
    target = ToyTarget()
    load(BytesSource(lying()), target, TOYS)
    assert target.states == states()
