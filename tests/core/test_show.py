"""Tests of domctx.show: records as JSON values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from domctx.api import Images, Machine, StateProvider
from domctx.context import Operation
from domctx.errors import PluginError, RecordError, StreamError, UsageError
from domctx.hookspecs import hookimpl
from domctx.registry import Registry
from domctx.show import Shown, show, show_derived, show_states
from domctx.testing import StatesDomain
from domctx.wire import record_size
from helpers import toy_transform, toy_vendor, toys
from helpers.toy_files import domain_of
from helpers.toy_images import (
    SMALLEST,
    one_type,
    records_of,
    resealed,
    saved,
    states,
    toy,
    toy_registry,
    vendor_image,
    vendor_registry,
)
from helpers.toy_machines import ToyDomain

TOYS = toy_registry()
IMAGE = saved(TOYS, states())


def shown(folder: Path, octets: bytes, *wanted: Any, registry: Registry = TOYS, notes: Any = None) -> list[Shown]:
    """What is shown of an image."""
    operation = Operation()
    domain = domain_of(folder, octets, registry, operation)
    try:
        return list(show(domain, *wanted))
    finally:
        if notes is not None:
            notes += operation.notes
        domain.close()


def test_records_are_shown_in_stream_order(tmp_path: Path) -> None:
    """By their fields, by the type's own way, or as octets; where they stand, and how long they are."""
    found = shown(tmp_path, IMAGE)
    assert [(row.type, row.instance) for row in found] == [
        ("DIAL", 0), ("NOTES", 0), ("NOTES", 1), ("NOTES", 2), ("LAMPS", 7), ("LAMPS", 0xFFFF_FFFF),
        ("BULK", 0), ("CLOCK", 0),
    ]  # fmt: skip
    assert found[0].value == {"value": 42, "scale": 5}
    assert found[1].value == {"octets": b"one".hex()}
    assert found[-1].value == {"ticks": 0x1122}
    position = sum(len(record.octets()) for record in records_of(IMAGE)[:2])
    for row in found:
        assert row.offset == position
        position += record_size(row.length)


def test_one_type_or_one_record(tmp_path: Path) -> None:
    """By name in any case, and by instance."""
    assert [row.instance for row in shown(tmp_path, IMAGE, "notes")] == [0, 1, 2]
    (row,) = shown(tmp_path, IMAGE, "Notes", 2)
    assert row.value == {"octets": b"three and four!!".hex()}
    (row,) = shown(tmp_path, IMAGE, "LAMPS", 0xFFFF_FFFF)
    assert row.length == 12


@pytest.mark.parametrize(("wanted", "text"), [(("CPU",), "CPU"), (("NOTES", 3), "NOTES:3")])
def test_what_is_not_there_is_said(tmp_path: Path, wanted: tuple[Any, ...], text: str) -> None:
    """And what is."""
    with pytest.raises(UsageError) as caught:
        shown(tmp_path, IMAGE, *wanted)
    assert str(caught.value) == (
        f"{tmp_path / 'image.dctx'}: there is no record {text}\n  the file has DIAL, NOTES, LAMPS, BULK, CLOCK"
    )
    with pytest.raises(UsageError, match="there is no record DIAL\n  the file has none"):
        shown(tmp_path, SMALLEST, "DIAL")


def test_the_smallest_image_shows_nothing(tmp_path: Path) -> None:
    """START and END are no state; a plain image shows Xen's records."""
    assert shown(tmp_path, SMALLEST) == []
    (row,) = shown(tmp_path, saved(TOYS, states(), Images.PLAIN))
    assert (row.type, row.code, row.offset, row.value) == ("XEN_CLOCK", 2, 24, {"octets": "2211000000000000"})


def test_unknown_records_are_shown_without_a_value(tmp_path: Path) -> None:
    """By the name that MANIFEST gives them, optional or not, and who can read them is noted."""
    notes: list[str] = []
    row = shown(tmp_path, vendor_image(), notes=notes)[-1]
    assert (row.type, row.code, row.instance, row.length, row.value) == ("acme/mark", toy_vendor.MARK_CODE, 5, 6, None)
    assert row.offset is not None
    assert vendor_image()[row.offset + 16 :].startswith(b"marked")
    assert notes == ["acme/mark can be read by the distribution acme 1.5: install it, or enable it"]
    need = saved(vendor_registry(), {toy_vendor.NEED: toy_vendor.Octets({1: b"x"})})
    assert [row.type for row in shown(tmp_path, need, "acme/need")] == ["acme/need"]
    bare = resealed(IMAGE, 2, type=0x8003_0000)
    assert [row.type for row in shown(tmp_path, bare, "0x00030000", notes=notes)] == ["0x00030000"]
    assert notes[-1] == "no plugin that is installed and enabled knows the type"


def test_damage_is_shown_and_noted(tmp_path: Path) -> None:
    """Of what is shown; the rest is not looked at."""
    octets = bytearray(IMAGE)
    octets[octets.index(b"three and four!!")] ^= 1
    notes: list[str] = []
    assert shown(tmp_path, bytes(octets), "NOTES", 2, notes=notes)[0].value == {"octets": b"uhree and four!!".hex()}
    assert len(notes) == 1
    assert "in NOTES[0]: the digest is wrong: the record is damaged" in notes[0]
    notes.clear()
    assert shown(tmp_path, bytes(octets), "DIAL", notes=notes)
    assert notes == []


def test_what_cannot_be_decoded_is_refused_with_its_place(tmp_path: Path) -> None:
    """And a body that is larger than its type allows is not read."""
    with pytest.raises(RecordError) as caught:
        shown(tmp_path, resealed(IMAGE, 2, body=bytes(5)), "DIAL")
    assert caught.value.record == "DIAL[0]"
    assert caught.value.offset is not None
    with pytest.raises(StreamError, match=r"LAMPS\[7\]: the body is over the type's largest; expected") as big:
        shown(tmp_path, resealed(IMAGE, 6, body=bytes(65)), "LAMPS")
    assert big.value.file == str(tmp_path / "image.dctx")


def test_a_show_of_a_plugin_s_that_fails_names_the_plugin(tmp_path: Path) -> None:
    """It is its bug."""
    kind = toy(toys.CLOCK_CODE, show=lambda record, context: dict[str, int]()["ticks"])
    with pytest.raises(PluginError, match="plugin domctx:one: KeyError: 'ticks'"):
        shown(tmp_path, saved(one_type(kind), {toys.CLOCK: toys.Clock(1)}), registry=one_type(kind))


def test_transformed_records_are_shown_as_they_were(tmp_path: Path) -> None:
    """Behind the transform."""
    registry = toy_registry(**{"acme:double": toy_transform})
    plain, veiled = (
        {(row.type, row.instance): row.value for row in shown(tmp_path, saved(used, states()), registry=registry)}
        for used in (TOYS, registry)
    )
    assert veiled == plain
    (row,) = shown(tmp_path, saved(registry, states()), "NOTES", 2, registry=registry)
    assert (row.value, row.length) == ({"octets": b"three and four!!".hex()}, 32)
    assert attrs.asdict(row)["type"] == "NOTES"


class Deriving:
    """A plugin that derives notes from a dial, which an image or a machine has."""

    @hookimpl
    def domctx_state_providers(self) -> list[StateProvider]:
        """Notes."""
        return [StateProvider(toys.NOTES, self.notes, owned=False)]

    def notes(self, target: Any) -> Any:
        """Two of them."""
        dial = target.state(toys.DIAL)
        return toys.Notes([b"derived", str(dial.body.value).encode()]) if dial is not None else None


DERIVING = toy_registry(**{"domctx:deriving": Deriving()})


@pytest.mark.parametrize("image", [True, False])
def test_a_derived_state_is_shown_as_its_records_would_be(tmp_path: Path, image: bool) -> None:
    """Of an image or any other domain; records that are derived stand nowhere."""
    dial = {toys.DIAL: states()[toys.DIAL]}
    opened: Any = StatesDomain(Machine("m", "i386"), dial)
    if image:
        opened = domain_of(tmp_path, saved(TOYS, dial), DERIVING, Operation())
    found = show_derived(opened, DERIVING, Operation(), "notes")
    assert found is not None
    assert [(row.type, row.instance, row.offset, row.length) for row in found] == [
        ("NOTES", 0, None, 7),
        ("NOTES", 1, None, 2),
    ]
    assert found[1].value == {"octets": b"42".hex()}
    assert show_derived(opened, DERIVING, Operation(), "NOTES", 1) == found[1:]
    with pytest.raises(UsageError, match="there is no record NOTES:2"):
        show_derived(opened, DERIVING, Operation(), "NOTES", 2)
    for other in ("DIAL", "LAMPS", "nothing"):
        assert show_derived(opened, DERIVING, Operation(), other) is None
    opened.close()


def test_a_state_of_the_domain_s_own_is_not_derived(tmp_path: Path) -> None:
    """What has records is shown from them, damaged or not."""
    domain = domain_of(tmp_path, IMAGE, DERIVING, Operation())
    assert show_derived(domain, DERIVING, Operation(), "NOTES") is None
    domain.close()


@pytest.mark.parametrize("registry", [TOYS, toy_registry(**{"acme:double": toy_transform})])
def test_states_are_shown_as_an_image_of_them_would_be(tmp_path: Path, registry: Registry) -> None:
    """Record for record, whole, one type or one instance; no transform touches what is not stored."""
    domain = ToyDomain(states())
    for wanted in ((), ("lamps",), ("NOTES", 2)):
        found = show_states(domain, registry, Operation(), *wanted)
        assert found == [attrs.evolve(row, offset=None) for row in shown(tmp_path, IMAGE, *wanted)]
    assert domain.events == ["pause", "unpause"] * 3


def test_states_that_are_not_there() -> None:
    """What there is is told, and nothing is stopped; an instance that is not there is only known behind a stop."""
    domain = ToyDomain({toys.DIAL: toys.Dial(toys.DialBody(7)), toys.CLOCK: toys.Clock(5)})
    for wanted in ("NOTES", "nothing"):
        with pytest.raises(UsageError, match=f"there is no record {wanted}\n  the file has DIAL, CLOCK"):
            show_states(domain, TOYS, Operation(), wanted)
    assert domain.events == []
    with pytest.raises(UsageError, match="there is no record DIAL:3"):
        show_states(domain, TOYS, Operation(), "DIAL", 3)
    assert domain.events == ["pause", "unpause"]
    with pytest.raises(UsageError, match="the file has none"):
        show_states(ToyDomain({}), TOYS, Operation(), "DIAL")


def test_an_upgrade_that_fails_is_its_plugin_s(tmp_path: Path) -> None:
    """A body of an older version that cannot be converted is shown to be the plugin's bug."""
    old = saved(one_type(toy(toys.DIAL_CODE, version=1, upgrades={})), {toys.DIAL: toys.Dial()})
    registry = one_type(toy(toys.DIAL_CODE, upgrades={1: lambda body: body[99]}))
    with pytest.raises(PluginError, match="plugin domctx:one: IndexError"):
        shown(tmp_path, old, registry=registry)
