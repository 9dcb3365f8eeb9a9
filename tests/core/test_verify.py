"""Tests of domctx.verify: digests first, then every record decoded."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import attrs
import pytest

from domctx.api import Context, Coverage, Domain, Format, Images, RecordRun
from domctx.context import Operation
from domctx.errors import DomainError, DomctxError, PluginError
from domctx.image import Image
from domctx.registry import Registry
from domctx.sources import BytesSource, FileSource
from domctx.verify import Report, check_image, verify_foreign, verify_image, verify_stream
from helpers import toy_transform, toy_vendor, toys
from helpers.toy_files import opened
from helpers.toy_images import (
    SMALLEST,
    one_type,
    registry_of,
    resealed,
    saved,
    states,
    toy,
    toy_registry,
    types_plugin,
    vendor_image,
    vendor_registry,
)
from helpers.toy_machines import MACHINE, ToyDomain

TOYS = toy_registry()
IMAGE = saved(TOYS, states())
PLAIN = saved(TOYS, states(), Images.PLAIN)


def verify(folder: Path, octets: bytes, registry: Registry = TOYS, operation: Operation | None = None) -> Report:
    """Verify a file, and the same from a pipe: both say the same, but for the file's name."""
    with operation or Operation() as used:
        image: Image = opened(folder, octets)
        report = verify_image(image, registry, used)
        image.close()
        twin = verify_stream(BytesSource(octets, image.file.name), registry, Operation())
    assert [problem.message for problem in twin.problems] == [problem.message for problem in report.problems]
    assert twin.coverage == report.coverage
    assert report.octets == len(octets)
    return report


@pytest.mark.parametrize("octets", [IMAGE, PLAIN, SMALLEST, vendor_image()])
def test_good_images(tmp_path: Path, octets: bytes) -> None:
    """Of ours, plain, the smallest, and with records that nobody knows."""
    report = verify(tmp_path, octets)
    assert report.problems == ()
    stream = verify_stream(BytesSource(octets), TOYS, Operation())
    assert (stream.records, stream.octets) == (report.records, report.octets) == (report.records, len(octets))


def test_what_covers_what_is_said(tmp_path: Path) -> None:
    """A plain image has no digests."""
    assert verify(tmp_path, IMAGE).coverage[0] == Coverage("bodies, headers and padding", "BLAKE3 digests")
    assert verify(tmp_path, PLAIN).coverage[0] == Coverage("bodies, headers and padding", "")
    operation = Operation()
    verify(tmp_path, vendor_image(), operation=operation)
    assert operation.notes == [f"type 0x{toy_vendor.MARK_CODE | 1 << 31:08x}[5] is optional and unknown: digest only"]


def test_every_damaged_group_is_told(tmp_path: Path) -> None:
    """Digests come first: all that is damaged, then nothing is decoded."""
    octets = bytearray(IMAGE)
    for body in (b"three and four!!", b"lamp seven.."):
        octets[octets.index(body)] ^= 1
    with Operation() as operation:
        image = opened(tmp_path, bytes(octets))
        report = verify_image(image, TOYS, operation)
        image.close()
    assert [problem.record for problem in report.problems] == ["NOTES[0]", "LAMPS[7]"]


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (resealed(IMAGE, 2, body=bytes(5)), "in DIAL[0]: DialBody: the body is too short"),
        (resealed(IMAGE, 8, body=b"\0\1"), "in BULK[0]: not zero"),
        (resealed(IMAGE, 9, body=bytes(7)), "in CLOCK[0]: a clock has eight octets; expected 8, got 7"),
        (resealed(PLAIN, 1, body=bytes(7))[:48] + bytes(16), "in XEN_CLOCK[0]: a clock has eight octets"),
    ],
)
def test_right_digests_do_not_make_a_body_right(tmp_path: Path, octets: bytes, message: str) -> None:
    """Each body is decoded: by the type's check, or by loading it."""
    (problem,) = verify(tmp_path, octets).problems
    assert message in str(problem)
    assert problem.file == str(tmp_path / "image.dctx")


def test_transformed_bodies_are_decoded_behind_the_transform(tmp_path: Path) -> None:
    """Also those of a type that has a check of its own; where the image was not transformed, as they stand."""
    checked, loaded = list[bytes](), list[list[bytes]]()

    def check(run: RecordRun, context: Context) -> None:
        checked.extend(bytes(record.rest()) for record in run)

    def load(state: toys.Notes, run: RecordRun, context: Context) -> None:
        toys.load_notes(state, run, context)
        loaded.append(state.texts)

    kind = toy(toys.NOTES_CODE, check=check, load=load)
    bare, registry = one_type(kind), registry_of({"domctx:one": types_plugin(kind), "acme:double": toy_transform})
    held = {toys.NOTES: toys.Notes([b"one", b"four"])}
    assert verify(tmp_path, saved(registry, held), registry).problems == ()
    assert (checked, loaded) == ([], [[b"one", b"four"]] * 2)
    loaded.clear()
    assert verify(tmp_path, saved(bare, held), registry).problems == ()
    assert (checked, loaded) == ([], [[b"one", b"four"]] * 2)
    assert verify(tmp_path, saved(bare, held), bare).problems == ()
    assert checked == [b"one", b"four"] * 2


def test_handlers_see_the_states_below_theirs(tmp_path: Path) -> None:
    """As in a load; a type is one state, in however many runs its records come."""
    seen: list[Any] = []

    def load_clock(state: Any, run: RecordRun, context: Context) -> None:
        machine, dial = context.machine, context.require(toys.DIAL)
        seen.append((machine, dial.body.value, context.state(toy_vendor.MARK)))
        toys.load_clock(state, run, context)

    registry = registry_of({"domctx:two": types_plugin(toy(toys.CLOCK_CODE, load=load_clock), toy(toys.DIAL_CODE))})
    held: dict[Any, Any] = {toys.DIAL: toys.Dial(toys.DialBody(3)), toys.CLOCK: toys.Clock(1)}
    assert verify(tmp_path, saved(registry, held), registry).problems == ()
    assert seen == [(MACHINE, 3, None)] * 2


def faulty(state: Any, run: RecordRun, context: Context) -> None:
    """A load handler with a bug."""
    raise IndexError("gone")


def test_a_plugin_s_bug_is_no_problem_of_the_file(tmp_path: Path) -> None:
    """It is told as what it is."""
    image = saved(one_type(toy(toys.DIAL_CODE)), {toys.DIAL: toys.Dial()})
    registry = one_type(toy(toys.DIAL_CODE, load=faulty))
    with pytest.raises(PluginError, match="IndexError: gone"):
        verify(tmp_path, image, registry)
    with pytest.raises(PluginError, match="IndexError: gone"):
        verify_stream(BytesSource(image), registry, Operation())


def check(folder: Path, octets: bytes, registry: Registry = TOYS) -> None:
    """Ask what is asked before a target is touched."""
    with Operation() as operation:
        image = opened(folder, octets)
        try:
            check_image(image, registry, operation)
        finally:
            image.close()


def test_a_refusal_of_the_system_is_no_problem_of_the_file(tmp_path: Path) -> None:
    """A disk that cannot be read says nothing about what is on it: neither of an image nor of a foreign file."""
    folder = os.open(tmp_path, os.O_RDONLY)  # a folder is opened, and refuses to be read
    try:
        source = FileSource(folder, "f", IMAGE[: len(IMAGE) // 2])
        with pytest.raises(DomainError, match=r"^f.*: Is a directory$"):
            verify_stream(source, TOYS, Operation())
    finally:
        os.close(folder)

    class Unread(ToyDomain):
        def pause(self) -> None:
            raise DomainError("Input/output error") from OSError(errno.EIO, "Input/output error")

    with pytest.raises(DomainError, match="Input/output error"):
        verify_foreign(Unread(states(), location="a.toy"), FORMAT, TOYS, Operation())


def test_what_is_asked_before_a_target_is_touched(tmp_path: Path) -> None:
    """Digests, known types, and of a plain image every body: it has no digests."""
    for octets in (IMAGE, PLAIN, SMALLEST, vendor_image()):
        check(tmp_path, octets)
    damaged = bytearray(IMAGE)
    damaged[damaged.index(b"three and four!!")] ^= 1
    need = saved(vendor_registry(), {toy_vendor.NEED: toy_vendor.Octets({1: b"x"})})
    for octets, message in (
        (bytes(damaged), "the digest is wrong"),
        (need, "unknown record type"),
        (resealed(PLAIN, 1, body=bytes(7))[:48] + bytes(16), "a clock has eight octets"),
    ):
        with pytest.raises(DomctxError, match=message):
            check(tmp_path, octets)


FORMAT = Format(scheme="toy", summary="a toy")


def test_a_foreign_file_is_read_as_a_save_reads_it() -> None:
    """The format says which check covers what; without a word from it nothing covers the file."""
    domain = ToyDomain(states(), location="a.toy")
    report = verify_foreign(domain, FORMAT, TOYS, Operation())
    assert (report.problems, report.coverage) == ((), (Coverage("the whole file"),))
    assert report.octets == len(IMAGE)
    assert domain.events == ["pause", "unpause"]

    def coverage(domain: Domain) -> list[Coverage]:
        return [Coverage("pages", "gzip CRC")]

    told = verify_foreign(domain, attrs.evolve(FORMAT, coverage=coverage), TOYS, Operation())
    assert told.coverage == (Coverage("pages", "gzip CRC"),)


def test_what_is_wrong_with_a_foreign_file() -> None:
    """Is told with its name; a plugin's bug is no problem of the file."""

    def save_dial(state: Any, writer: Any, context: Context) -> None:
        raise state

    registry = one_type(toy(toys.DIAL_CODE, save=save_dial))
    domain = ToyDomain({toys.DIAL: DomainError("page 3 is out of range")}, location="a.toy")
    (problem,) = verify_foreign(domain, FORMAT, registry, Operation()).problems
    assert str(problem) == "a.toy in DIAL: page 3 is out of range"
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        verify_foreign(ToyDomain({toys.DIAL: ZeroDivisionError()}), FORMAT, registry, Operation())
