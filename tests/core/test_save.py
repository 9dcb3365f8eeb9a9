"""Tests of domctx.save: the saving road and its dry run."""

from __future__ import annotations

import os
import threading
from typing import Any

import attrs
import pytest
from hypothesis import assume, given, strategies as st

from domctx import directory, manifest, spool
from domctx.api import Context, Images, Option, RecordWriter, StateKey
from domctx.context import Operation
from domctx.errors import DomainError, DomctxError, PluginError
from domctx.hookspecs import hookimpl
from domctx.save import Sizes, dry_run, save
from domctx.sinks import BytesSink, FileSink
from domctx.testing.streams import split
from domctx.wire import TYPE_MANIFEST, TYPE_START
from helpers import toy_transform, toy_vendor, toys
from helpers.toy_images import (
    SMALLEST,
    one_type,
    saved,
    settled,
    states,
    toy,
    toy_registry,
    types_plugin,
    vendor_registry,
    vendor_states,
)
from helpers.toy_machines import MACHINE, ToyDomain
from helpers.toy_strategies import TOY_STATES


def test_the_smallest_image_is_the_worked_example() -> None:
    """A plain v10 image of nothing: START 4.15 and END, 40 octets of formats/xen.md 2.2."""
    assert saved(toy_registry(), {}, Images.PLAIN) == SMALLEST


def test_records_come_in_ascending_code() -> None:
    """START first, then MANIFEST; DIRECTORY and END last; bit 31 does not count."""
    records = split(saved(vendor_registry(), vendor_states()))
    codes = [record.type & 0x7FFF_FFFF for record in records]
    assert codes[:2] == [TYPE_START, TYPE_MANIFEST]
    assert [record.type for record in records[-2:]] == [directory.WIRE_TYPE, 0]
    assert codes[2:-2] == sorted(codes[2:-2])
    assert records[-3].type == toy_vendor.MARK_CODE | 1 << 31


def test_the_manifest_tells_what_stands_in_the_image() -> None:
    """The machine, and who can read each type."""
    found = manifest.decode(split(saved(vendor_registry(), vendor_states()))[1].body)
    assert found.machine == MACHINE
    uses = {use.name: use for use in found.types}
    assert list(uses) == ["DIAL", "NOTES", "LAMPS", "BULK", "CLOCK", "acme/mark"]
    assert uses["acme/mark"] == manifest.TypeUse(toy_vendor.MARK_CODE, "acme/mark", "acme", "1.5", 1, 1)
    assert (uses["DIAL"].version, uses["DIAL"].readable_since, uses["DIAL"].distribution) == (3, 1, "domctx")
    assert found.producer.startswith("domctx ")
    assert found.time.endswith("+00:00")


def through_a_pipe(held: Any) -> bytes:
    """An image, saved into a pipe."""
    reading, writing = os.pipe()
    got: list[bytes] = []

    def drain() -> None:
        with os.fdopen(reading, "rb") as file:
            got.append(file.read())

    thread = threading.Thread(target=drain)
    thread.start()
    sink = FileSink(writing, "pipe")
    save(ToyDomain(held), sink, vendor_registry())
    sink.close()
    os.close(writing)
    thread.join()
    return got[0]


@given(TOY_STATES, st.sampled_from([64, 16 << 20]))
def test_files_and_pipes_get_the_same_octets(held: Any, limit: int) -> None:
    """Whether large bodies were spooled or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "BUFFER_LIMIT", limit)
        assert settled(through_a_pipe(held)) == settled(saved(vendor_registry(), held))


@given(TOY_STATES, st.sampled_from([Images.DOMCTX, Images.PLAIN]))
def test_a_dry_run_tells_the_real_size(held: Any, images: Images) -> None:
    """Record by record where it says so, and never less than the real size."""
    registry, domain = vendor_registry(), ToyDomain(held)
    assume(images is not Images.PLAIN or not held or set(held) & set(registry.states(images)))  # the plan refuses it
    real = saved(registry, held, images)
    told = dry_run(domain, registry, images=images)
    assert sum(row.octets for row in told) >= len(real)
    if all(row.exact for row in told):
        assert sum(row.octets for row in told) == len(real)
    assert domain.events == ["pause", "unpause"]
    names = {kind.type.code: kind.type.name for kind in registry.types.values()}
    for row in told:
        of_type = [r for r in split(real) if names.get(r.type & 0x7FFF_FFFF) == row.record]
        if row.exact and of_type:
            assert row.octets == sum(len(record.octets()) for record in of_type)


def test_a_dry_run_is_exact_where_every_type_is() -> None:
    """DIRECTORY and MANIFEST included."""
    held = {key: state for key, state in states().items() if key != toys.BULK}
    told = dry_run(ToyDomain(held), toy_registry())
    assert all(row.exact for row in told)
    assert sum(row.octets for row in told) == len(saved(toy_registry(), held))
    assert [row.record for row in told][:3] == ["START", "MANIFEST", "DIAL"]
    assert [row.record for row in told][-2:] == ["DIRECTORY", "END"]


@given(st.lists(st.integers(0, 70_000), max_size=12))
def test_directory_is_bounded_whatever_the_sizes(sizes: list[int]) -> None:
    """Also by a type that only tells how many octets its records take."""
    kind = toy(toys.NOTES_CODE, max_body=1 << 20)

    def exact(state: toys.Notes, context: Context) -> int:
        return sum(16 + -(-len(text) // 8) * 8 for text in state.texts)

    held = {toys.NOTES: toys.Notes([bytes(size) for size in sizes])}
    told = {row.record: row for row in dry_run(ToyDomain(held), one_type(attrs.evolve(kind, exact_size=exact)))}
    real = len(split(saved(one_type(kind), held))[-2].octets())
    assert told["DIRECTORY"].octets >= real
    assert told["DIRECTORY"].octets == real or not told["DIRECTORY"].exact
    assert told["NOTES"].exact


def test_samples_are_taken_when_they_are_asked_for() -> None:
    """Of a type that is only bounded."""
    domain = ToyDomain({toys.BULK: toys.Bulk(1 << 20)})
    told = {row.record: row for row in dry_run(domain, toy_registry(), sample=True)}
    assert (told["BULK"].exact, told["BULK"].sampled, told["BULK"].octets) == (False, 16, (1 << 20) + 24)
    assert all(row.sampled is None for row in dry_run(domain, toy_registry()))
    bare = one_type(toy(toys.BULK_CODE, estimate_size=None))
    assert all(row.sampled is None for row in dry_run(domain, bare, sample=True))


class OnePass(ToyDomain):
    """A machine whose states pass once."""

    one_pass = True


def test_of_a_domain_that_passes_once_only_bounds_are_told() -> None:
    """Those that types declare, without asking its states for anything else; it is not even paused."""
    held: dict[StateKey[Any], Any] = {toys.NOTES: toys.Notes([b"12345"]), toys.BULK: toys.Bulk(1 << 20)}
    for sample in (False, True):
        domain = OnePass(held)
        told = {row.record: row for row in dry_run(domain, toy_registry(), sample=sample)}
        assert (told["NOTES"].octets, told["NOTES"].exact, told["NOTES"].known) == (0, False, False)
        assert (told["BULK"].octets, told["BULK"].exact, told["BULK"].sampled) == ((1 << 20) + 24, False, None)
        assert domain.events == []
    doubled = {row.record: row for row in dry_run(OnePass(held), toy_registry(**{"acme:double": toy_transform}))}
    assert (doubled["BULK"].octets, doubled["BULK"].exact) == (0, False)
    real = saved(toy_registry(), held)
    assert len(split(real)[-2].octets()) <= told["DIRECTORY"].octets


def test_sizes_are_asked_for_while_the_domain_stands() -> None:
    """Before anything is written, in the one pause of the save; who finds them wrong ends it."""
    domain, sink = ToyDomain(states()), BytesSink()

    def refuse(sizes: Sizes) -> None:
        assert domain.events == ["pause"]
        assert [row.record for row in sizes(True)][:2] == ["START", "MANIFEST"]
        raise DomainError("no room")

    with pytest.raises(DomainError, match="no room"):
        save(domain, sink, toy_registry(), check=refuse)
    assert domain.events == ["pause", "unpause"]
    assert not sink.octets
    save(domain, sink, toy_registry(), check=lambda sizes: None)
    assert settled(bytes(sink.octets)) == settled(saved(toy_registry(), states()))


def test_what_a_transform_writes_is_counted() -> None:
    """A size that the type declares is no longer true; MANIFEST lists the transform."""
    registry = toy_registry(**{"acme:double": toy_transform})
    held: dict[StateKey[Any], Any] = {toys.NOTES: toys.Notes([b"12345"]), toys.BULK: toys.Bulk(99)}
    held[toys.DIAL] = toys.Dial()
    real, told = saved(registry, held), dry_run(ToyDomain(held), registry)
    written = [len(record.octets()) for record in split(real) if record.type != directory.WIRE_TYPE]
    assert sum(row.octets for row in told if row.record != "DIRECTORY") == sum(written)
    assert {row.record for row in told if not row.exact} == {"BULK", "DIRECTORY"}
    uses = {use.name: use.transforms for use in manifest.decode(split(real)[1].body).types}
    assert uses == {"DIAL": (), "NOTES": ("acme/double",), "BULK": ("acme/double",)}


@pytest.mark.parametrize("images", [Images.DOMCTX, Images.PLAIN])
def test_a_domain_is_given_back(images: Images) -> None:
    """Once for each time it was paused, whatever happens."""
    domain = ToyDomain(states())
    save(domain, BytesSink(), toy_registry(), images=images)
    assert domain.events == ["pause", "unpause"]


class Failing(BytesSink):
    """A disk that is full after so many octets."""

    def __init__(self, room: int, error: BaseException) -> None:
        super().__init__()
        self.room, self.error = room, error

    def write(self, data: Any) -> None:
        """Take it, or fail."""
        super().write(data)
        if len(self.octets) > self.room:
            raise self.error


@pytest.mark.parametrize("error", [DomainError("full"), KeyboardInterrupt(), SystemExit(143)])
def test_a_save_that_fails_gives_the_domain_back(error: BaseException) -> None:
    """And what was written has no END."""
    domain, sink = ToyDomain(states()), Failing(600, error)
    with pytest.raises(type(error)):
        save(domain, sink, toy_registry())
    assert domain.events == ["pause", "unpause"]
    assert len(sink.octets) < len(saved(toy_registry(), states()))


def faulty(error: BaseException) -> Any:
    """A save handler that raises."""

    def handler(state: Any, writer: RecordWriter, context: Context) -> None:
        raise error

    return handler


def test_an_error_of_a_handler_names_its_type() -> None:
    """Its own errors as they are; anything else is the plugin's bug, which is named."""
    held = {toys.DIAL: toys.Dial()}
    with pytest.raises(DomainError, match="in DIAL: not now"):
        saved(one_type(toy(toys.DIAL_CODE, save=faulty(DomainError("not now")))), held)
    with pytest.raises(PluginError, match="in DIAL: plugin domctx:one: KeyError: 'gone'") as caught:
        saved(one_type(toy(toys.DIAL_CODE, save=faulty(KeyError("gone")))), held)
    assert isinstance(caught.value.__cause__, KeyError)


def unfinished(state: Any, writer: RecordWriter, context: Context) -> None:
    """A save handler that does not end its record."""
    writer.begin(0, 3)


def test_a_record_that_is_not_ended_is_refused() -> None:
    """Before the next type begins."""
    with pytest.raises(PluginError, match=r"DIAL\[0\]: plugin domctx:one: the save handler did not end the record"):
        saved(one_type(toy(toys.DIAL_CODE, save=unfinished)), {toys.DIAL: toys.Dial()})


def test_options_reach_the_handlers_of_their_type() -> None:
    """Others are for somebody else."""
    seen: list[Any] = []

    def handler(state: Any, writer: RecordWriter, context: Context) -> None:
        seen.append((context.option("level"), context.dry_run, context.machine.name))

    level = Option("level", int, "how much", 1)
    registry = one_type(toy(toys.DIAL_CODE, save=handler, options=(level,), exact_size=None))
    domain = ToyDomain({toys.DIAL: toys.Dial()})
    with Operation(["level=4", "speed=2"]) as operation:
        save(domain, BytesSink(), registry, operation)
        dry_run(domain, registry, operation)
    assert seen == [(4, False, "toy"), (4, True, "toy")]


class Broken:
    """A plugin that cannot tell its types."""

    @hookimpl
    def domctx_record_types(self) -> Any:
        """Fail."""
        raise ValueError("no types today")


@pytest.mark.parametrize("road", [lambda *a: save(a[0], BytesSink(), a[1]), dry_run])
def test_nothing_is_saved_while_a_plugin_is_broken(road: Any) -> None:
    """The domain is not even paused."""
    from helpers.toy_images import registry_of

    registry, domain = registry_of({"acme:bad": Broken(), "domctx:toys": toys}), ToyDomain(states())
    with pytest.raises(DomctxError, match="plugin acme:bad is broken: ValueError: no types today"):
        road(domain, registry)
    assert domain.events == []


def test_types_of_nothing() -> None:
    """A type that writes no record is listed all the same: the empty state is a state."""
    registry = toy_registry(**{"domctx:more": types_plugin()})
    records = split(saved(registry, {toys.NOTES: toys.Notes()}))
    assert [record.type for record in records] == [TYPE_START, TYPE_MANIFEST, directory.WIRE_TYPE, 0]
    assert [use.name for use in manifest.decode(records[1].body).types] == ["NOTES"]
