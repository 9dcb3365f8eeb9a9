"""An image whose records went through a transform: read with it as if it were not there, refused without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domctx.api import Buffer, Machine, Record, Transformed
from domctx.diff import diff
from domctx.errors import PluginError, StreamError, UnsupportedError
from domctx.hookspecs import hookimpl
from domctx.image import open_image
from domctx.image_domain import ImageDomain
from domctx.load import load
from domctx.registry import Registry
from domctx.save import dry_run, save
from domctx.show import show
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.testing import StatesDomain, StatesTarget
from domctx.verify import verify_image
from domctx.wrapping import ForwardingRun, ForwardingWriter
from helpers.counters import COUNTER, COUNTERS, SIZE, CounterBody, Counters, changed, new_state
from helpers.plugins import manager_of, plugin

MACHINE = Machine("m", "i386")
STATE = Counters({4: CounterBody(1, 2), 7: CounterBody(3, 4)})


def inverted(octets: Buffer) -> bytes:
    """Every bit the other way round."""
    return bytes(octet ^ 0xFF for octet in bytes(octets))


class Inverter(ForwardingWriter):
    """Turns every bit round."""

    def data(self, data: Buffer) -> None:
        super().data(inverted(data))


class Reverter(ForwardingRun):
    """Turns every bit back."""

    def body(self, record: Record) -> bytes:
        return inverted(record.rest())


@hookimpl(wrapper=True)
def domctx_save(record_type: Any) -> Any:
    """Turn round what is saved."""
    inner = yield
    return Transformed("acme/turn", lambda state, writer, context: inner(state, Inverter(writer), context))


@hookimpl(wrapper=True)
def domctx_load(record_type: Any) -> Any:
    """Turn back what is loaded."""
    inner = yield
    return Transformed("acme/turn", lambda state, run, context: inner(state, Reverter(run), context))


def registry(*, turning: bool = True, kind: Any = COUNTER, loading: Any = domctx_load) -> Registry:
    """The counters, with the transform or without."""
    plugins = {"counters": plugin(record_types=[kind])}
    if turning:
        plugins["turn"] = plugin(domctx_save=domctx_save, domctx_load=loading)
    return Registry.resolve(manager_of(plugins))


def image_of(found: Registry) -> bytes:
    """The image of the state."""
    sink = BytesSink()
    save(StatesDomain(MACHINE, {COUNTERS: STATE}), sink, found)
    return bytes(sink.octets)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A file with the image of the state, transformed."""
    path = tmp_path / "image"
    path.write_bytes(image_of(registry()))
    return path


def opened(path: Path, found: Registry) -> ImageDomain:
    """The image as a domain."""
    return ImageDomain(open_image(str(path)), found)


def test_octets_are_transformed(image: Path) -> None:
    """The bodies in the file are those that the transform made; MANIFEST names it."""
    domain = opened(image, registry())
    assert inverted(bytes([1, 0, 0, 0, 0, 0, 0, 0, 2])) in image.read_bytes()
    assert domain.image.manifest is not None
    (use,) = domain.image.manifest.types
    assert use.transforms == ("acme/turn",)


def test_read_as_if_it_were_not_there(image: Path) -> None:
    """With the transform the image verifies, opens, shows and loads as the state that was saved; nothing differs."""
    found = registry()
    domain = opened(image, found)
    assert verify_image(domain.image, found, domain._operation).problems == ()
    state = domain.state(COUNTERS)
    assert state is not None
    assert state.counters == STATE.counters
    assert [(shown.instance, shown.value["value"]) for shown in show(domain)] == [(4, 1), (7, 3)]
    assert [shown.value["step"] for shown in show(domain, "acme/counter", 7)] == [4]
    assert list(diff(domain, StatesDomain(MACHINE, {COUNTERS: STATE}), found)) == []
    target = StatesTarget({COUNTERS: new_state})
    load(BytesSource(image.read_bytes()), target, found)
    assert target.states[COUNTERS].counters == STATE.counters


def test_type_s_own_check_and_view_are_behind_it(image: Path) -> None:
    """What a type itself does with records as they stand is not asked for: they are not what it knows."""
    fails = changed(check=lambda run, context: 1 // 0, view=lambda records, context: 1 // 0)
    domain = opened(image, registry(kind=fails))
    assert verify_image(domain.image, domain.registry, domain._operation).problems == ()
    state = domain.state(COUNTERS)
    assert state is not None
    assert state.counters == STATE.counters


def test_refused_without_it(image: Path) -> None:
    """Without the transform the image is refused, by name."""
    with pytest.raises(UnsupportedError, match="acme/counter was transformed by acme/turn, which is not installed"):
        opened(image, registry(turning=False))
    target = StatesTarget({COUNTERS: new_state})
    with pytest.raises(UnsupportedError, match="acme/counter was transformed by acme/turn"):
        load(BytesSource(image.read_bytes()), target, registry(turning=False))
    assert target.states == {}


def test_images_without_it_are_read_without_it(tmp_path: Path) -> None:
    """An image that lists no transform is read as it stands, though the transform is there."""
    path = tmp_path / "plain"
    path.write_bytes(image_of(registry(turning=False)))
    domain = opened(path, registry())
    state = domain.state(COUNTERS)
    assert state is not None
    assert state.counters == STATE.counters
    assert [shown.value["value"] for shown in show(domain)] == [1, 3]


def test_sizes_are_counted() -> None:
    """A transform may change sizes, so the dry run counts what comes out of it."""
    found = registry(kind=changed(exact_size=lambda state, context: 1 // 0))
    estimates = {row.record: row for row in dry_run(StatesDomain(MACHINE, {COUNTERS: STATE}), found)}
    assert (estimates["acme/counter"].octets, estimates["acme/counter"].exact) == (64, True)


def test_wrappers_that_leave_their_run(image: Path) -> None:
    """A load wrapper that does not read its run is a bug of its plugin, also when records are only shown."""

    @hookimpl(wrapper=True)
    def careless(record_type: Any) -> Any:
        yield
        return Transformed("acme/turn", lambda state, run, context: None)

    domain = opened(image, registry(loading=careless))
    with pytest.raises(PluginError, match="at the end of its run"):
        list(show(domain))


class Sealer(ForwardingWriter):
    """Puts a tag of eight octets behind each body."""

    def begin(self, instance: int = 0, length: int | None = None, *, optional: bool = False) -> None:
        super().begin(instance, None if length is None else length + len(TAG), optional=optional)

    def end(self) -> None:
        self.inner.data(TAG)
        super().end()


class Unsealer(ForwardingRun):
    """Takes the tag away. Raises RecordError where there is none."""

    def body(self, record: Record) -> bytes:
        octets = bytes(record.rest())
        if not octets.endswith(TAG):
            raise record.error("the tag is gone")
        return octets[: -len(TAG)]


TAG = b"a tag, 8"


def sealed(saving: int, loading: int, kind: Any = COUNTER) -> Registry:
    """The counters behind a transform that lengthens each body, by what it says of itself on either side."""

    @hookimpl(wrapper=True)
    def domctx_save(record_type: Any) -> Any:
        inner = yield
        return Transformed("acme/seal", lambda state, writer, context: inner(state, Sealer(writer), context), saving)

    @hookimpl(wrapper=True)
    def domctx_load(record_type: Any) -> Any:
        inner = yield
        return Transformed("acme/seal", lambda state, run, context: inner(state, Unsealer(run), context), loading)

    plugins = {
        "counters": plugin(record_types=[kind]),
        "seal": plugin(domctx_save=domctx_save, domctx_load=domctx_load),
        "turn": plugin(domctx_save=globals()["domctx_save"], domctx_load=globals()["domctx_load"]),
    }
    return Registry.resolve(manager_of(plugins))


def test_bodies_may_be_longer_by_what_a_transform_says(tmp_path: Path) -> None:
    """Though the type's own are as long as they may be: saved, verified, opened, shown, compared and loaded."""
    found = sealed(8, 9)
    octets = image_of(found)
    (tmp_path / "image").write_bytes(octets)
    domain = opened(tmp_path / "image", found)
    assert verify_image(domain.image, found, domain._operation).problems == ()
    assert [(shown.length, shown.value["value"]) for shown in show(domain)] == [(SIZE + 8, 1), (SIZE + 8, 3)]
    assert list(diff(domain, StatesDomain(MACHINE, {COUNTERS: STATE}), found)) == []
    target = StatesTarget({COUNTERS: new_state})
    load(BytesSource(octets), target, found)
    assert target.states[COUNTERS].counters == STATE.counters


def test_and_not_by_more(tmp_path: Path) -> None:
    """Longer bodies are neither saved nor loaded nor shown."""
    with pytest.raises(PluginError, match=f"the body of {SIZE + 8} octets is over the type's largest, {SIZE + 7}"):
        image_of(sealed(7, 7))
    (tmp_path / "image").write_bytes(image_of(sealed(8, 8)))
    shorter = opened(tmp_path / "image", sealed(7, 7))
    for refused in (lambda: list(show(shorter)), lambda: shorter.state(COUNTERS)):
        with pytest.raises(StreamError, match="over the type's largest; expected at most 0x0000000000000014"):
            refused()
    with pytest.raises(StreamError, match="the body is over the type's largest"):
        load(BytesSource(image_of(sealed(8, 8))), StatesTarget({COUNTERS: new_state}), sealed(7, 7))
