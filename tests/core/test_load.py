"""Tests of domctx.load: a target ends in exactly one of commit and abort."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from hypothesis import given, settings

from domctx.api import Context, RecordRun, StateKey
from domctx.context import Operation
from domctx.errors import DomainError, DomctxError, PluginError, RecordError, StreamError
from domctx.hookspecs import hookimpl
from domctx.load import load, load_made
from domctx.manifest import Manifest
from domctx.registry import Registry
from domctx.sources import BytesSource, FileSource
from helpers import toy_transform, toy_vendor, toys
from helpers.toy_images import (
    SMALLEST,
    one_type,
    registry_of,
    saved,
    settled,
    states,
    toy,
    toy_registry,
    types_plugin,
    vendor_image,
    vendor_registry,
    vendor_states,
)
from helpers.toy_machines import MACHINE, ToyTarget
from helpers.toy_strategies import TOY_STATES

TOYS = toy_registry()


def loaded(image: bytes, registry: Registry = TOYS, **more: Any) -> ToyTarget:
    """A target into which an image was loaded."""
    target = ToyTarget()
    load(BytesSource(image), target, registry, **more)
    return target


def refused(image: bytes, target: ToyTarget, registry: Registry = TOYS, **more: Any) -> DomctxError:
    """The error that loading ends with; the target is aborted, and never committed."""
    with pytest.raises(DomctxError) as caught:
        load(BytesSource(image, "it"), target, registry, **more)
    assert target.events[-1] == "abort"
    assert target.events.count("abort") == 1
    assert target.states == {}
    return caught.value


@given(TOY_STATES)
def test_what_was_saved_is_loaded(held: Any) -> None:
    """And saved again it gives the same octets, but for the time."""
    registry = vendor_registry()
    image = saved(registry, held)
    target = loaded(image, registry)
    assert target.events == ["prepare", "commit"]
    assert target.machine == MACHINE
    filled = {key: target.states.get(key, type(state)()) for key, state in held.items()}
    assert filled == held
    assert settled(saved(registry, filled)) == settled(image)


@settings(max_examples=20)
@given(TOY_STATES)
def test_pipes_give_the_same_state(held: Any) -> None:
    """As files do."""
    registry = vendor_registry()
    image = saved(registry, held)
    reading, writing = os.pipe()

    def feed() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(image)

    thread = threading.Thread(target=feed)
    thread.start()
    target = ToyTarget()
    load(FileSource(reading, "pipe"), target, registry)
    thread.join()
    os.close(reading)
    assert target.states == loaded(image, registry).states


def test_the_smallest_image_loads_into_what_exists() -> None:
    """It describes no machine, so nothing is prepared."""
    target = loaded(SMALLEST)
    assert (target.events, target.machine) == (["commit"], None)


def test_an_unknown_optional_record_is_noted() -> None:
    """And skipped."""
    operation = Operation()
    target = loaded(vendor_image(), operation=operation)
    assert operation.notes == [f"type 0x{toy_vendor.MARK_CODE | 1 << 31:08x}[5] is optional and unknown: skipped"]
    assert target.states == states()


def test_a_state_that_the_target_lacks_is_refused() -> None:
    """Unless it is dropped, which is said."""
    image = saved(TOYS, states())
    error = refused(image, ToyTarget(lacks=[toys.NOTES]))
    assert isinstance(error, DomainError)
    assert "NOTES[0]: the target has no state 'notes' for NOTES\n  leave it out with --drop notes" in str(error)
    operation, target = Operation(), ToyTarget(lacks=[toys.NOTES])
    load(BytesSource(image), target, TOYS, operation, drop=["notes", "lamps"])
    assert set(target.states) == {toys.DIAL, toys.BULK, toys.CLOCK}
    assert operation.notes == ["NOTES: state 'notes' is dropped", "LAMPS: state 'lamps' is dropped"]


@pytest.mark.parametrize("image", [b"", SMALLEST[:20], SMALLEST[24:], vendor_image()[:60]])
def test_a_target_is_aborted_where_the_head_is_not_good(image: bytes) -> None:
    """Before it was told of any machine."""
    target = ToyTarget()
    assert isinstance(refused(image, target), StreamError)
    assert target.events == ["abort"]


@pytest.mark.parametrize(
    ("fail", "events"), [("prepare", ["prepare", "abort"]), ("commit", ["prepare", "commit", "abort"])]
)
def test_a_target_that_fails_is_aborted(fail: str, events: list[str]) -> None:
    """Whether it cannot begin or cannot end."""
    target = ToyTarget(fail=fail)
    error = refused(saved(TOYS, states()), target)
    assert str(error) == f"it: the toy cannot {fail}"
    assert target.events == events


def raising(error: BaseException) -> Any:
    """A load handler that raises."""

    def handler(state: Any, run: RecordRun, context: Context) -> None:
        raise error

    return handler


def test_an_error_of_a_handler_says_where() -> None:
    """Its own errors as they are; anything else is the plugin's bug, which is named."""
    image = saved(one_type(toy(toys.DIAL_CODE)), {toys.DIAL: toys.Dial()})
    error = refused(image, ToyTarget(), one_type(toy(toys.DIAL_CODE, load=raising(RecordError("odd")))))
    assert isinstance(error, RecordError)
    assert (error.file, error.record) == ("it", "DIAL[0]")
    error = refused(image, ToyTarget(), one_type(toy(toys.DIAL_CODE, load=raising(IndexError("gone")))))
    assert isinstance(error, PluginError)
    assert "plugin domctx:one: IndexError: gone" in str(error)
    assert isinstance(error.__cause__, IndexError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_load_is_aborted(error: type[BaseException]) -> None:
    """And the interruption goes on."""
    image = saved(one_type(toy(toys.DIAL_CODE)), {toys.DIAL: toys.Dial()})
    target = ToyTarget()
    with pytest.raises(error):
        load(BytesSource(image), target, one_type(toy(toys.DIAL_CODE, load=raising(error()))))
    assert target.events == ["prepare", "abort"]


def test_a_handler_may_ask_for_lower_states() -> None:
    """Of the target."""
    seen: list[Any] = []

    def handler(state: Any, run: RecordRun, context: Context) -> None:
        seen.append((context.require(toys.DIAL).body, context.machine.name))
        toys.load_clock(state, run, context)

    registry = registry_of({"domctx:toys": types_plugin(toy(toys.CLOCK_CODE, load=handler), toy(toys.DIAL_CODE))})
    held: dict[StateKey[Any], Any] = {toys.DIAL: toys.Dial(toys.DialBody(3)), toys.CLOCK: toys.Clock(1)}
    assert loaded(saved(registry, held), registry).states == held
    assert seen == [(toys.DialBody(3), "toy")]


def test_a_transform_is_undone() -> None:
    """Only where the image was transformed."""
    registry = toy_registry(**{"acme:double": toy_transform})
    for image in (saved(registry, states()), saved(TOYS, states())):
        assert loaded(image, registry).states == states()


class Broken:
    """A plugin that cannot be used."""

    @hookimpl
    def domctx_record_types(self) -> Any:
        """Fail."""
        raise ValueError("no types today")


def test_nothing_is_loaded_while_a_plugin_is_broken() -> None:
    """The target is aborted; one that would have to be made is not made."""
    registry = registry_of({"acme:bad": Broken(), "domctx:toys": toys})
    target = ToyTarget()
    error = refused(saved(TOYS, states()), target, registry)
    assert "plugin acme:bad is broken" in str(error)
    with pytest.raises(PluginError, match="plugin acme:bad is broken"):
        load_made(BytesSource(SMALLEST), made_for([]), registry)


def made_for(calls: list[Manifest | None], target: ToyTarget | None = None) -> Any:
    """What makes a target, and writes down for what."""

    def make(manifest: Manifest | None) -> ToyTarget:
        calls.append(manifest)
        return target or ToyTarget()

    return make


def test_a_target_is_made_when_the_head_is_good() -> None:
    """Not before: of a stream that is no image nothing is made."""
    calls: list[Manifest | None] = []
    image = saved(TOYS, states())
    for damaged in (b"", image[:30], b"\0" + image[1:], image[:40] + b"\xff" * 40 + image[80:]):
        with pytest.raises(DomctxError):
            load_made(BytesSource(damaged), made_for(calls), TOYS)
    assert calls == []
    target = ToyTarget()
    load_made(BytesSource(image), made_for(calls, target), TOYS)
    assert target.states == states()
    load_made(BytesSource(SMALLEST), made_for(calls), TOYS, Operation())
    assert [call and call.machine for call in calls] == [MACHINE, None]


def test_a_made_target_is_aborted() -> None:
    """As one that was given."""
    target = ToyTarget()
    with pytest.raises(StreamError, match="it at 0x"):
        load_made(BytesSource(saved(TOYS, states())[:-1], "it"), made_for([], target), TOYS)
    assert target.events == ["prepare", "abort"]


def test_digests_that_were_checked_before_are_not_made_again() -> None:
    """A flip in a body that any octets fill is then not seen."""
    image = bytearray(saved(TOYS, states()))
    place = image.index(b"three and four!!")
    image[place] ^= 1
    assert loaded(bytes(image), digests=False).states[toys.NOTES].texts[2] != b"three and four!!"
    assert "the digest is wrong" in str(refused(bytes(image), ToyTarget()))


def test_a_vendor_s_states_are_loaded() -> None:
    """By the vendor's plugin."""
    image = vendor_image()
    assert loaded(image, vendor_registry()).states == vendor_states()
