"""The rules of show, diff, verify and opened images: what they tell of a state is what it is."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from typing import Any

from hypothesis import assume

from domctx.api import Difference, Domain, Images
from domctx.context import Operation
from domctx.diff import diff
from domctx.errors import DomctxError
from domctx.image import open_image
from domctx.image_domain import ImageDomain
from domctx.load import load
from domctx.save import save
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.testing.domains import StatesTarget
from domctx.testing.streams import split
from domctx.testing.trial import Trial, compared
from domctx.verify import verify_image


def shown(trial: Trial, state: Any) -> None:
    """Each record of a state is shown as a JSON value."""
    octets = trial.saved(state)
    try:
        values = trial.harness.show(octets, state)
    except DomctxError as error:
        trial.broken("a good record cannot be shown", error)
    for record, value in zip(split(octets), values, strict=True):
        _check_json(trial, value, f"{trial.name(record)} is shown as")


def _check_json(trial: Trial, value: Any, what: str) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        trial.broken(f"{what} {value!r}, which is no JSON value", error)


def same(trial: Trial, state: Any) -> None:
    """A state and what was loaded from its records do not differ."""
    found = _differences(trial, state, trial.harness.load(trial.saved(state)))
    if found:
        trial.broken(f"a state differs from itself: {found[0]}")


def different(trial: Trial, a: Any, b: Any) -> None:
    """Two states whose records differ are told to differ, in JSON values, by the type's name."""
    assume(trial.saved(a) != trial.saved(b))
    found = _differences(trial, a, b)
    if not found:
        trial.broken("two states save to different octets, but no difference is told")
    for difference in found:
        _check_json(trial, [difference.a, difference.b], f"at {difference.path} the values are")
        if not difference.record.startswith(trial.harness.type.name):
            trial.broken(f"a difference is told of {difference.record!r}, which does not name the type")


def _differences(trial: Trial, a: Any, b: Any) -> list[Difference]:
    harness = trial.harness
    try:
        with contextlib.ExitStack() as stack:
            left, right = stack.enter_context(_side(trial, a)), stack.enter_context(_side(trial, b))
            return list(diff(left, right, harness.registry, harness.operation))
    except DomctxError as error:
        trial.broken("two states cannot be compared", error)


@contextlib.contextmanager
def _side(trial: Trial, state: Any) -> Iterator[Domain]:
    """A domain that has the state; a plain image of it where the type stands in no other."""
    harness = trial.harness
    if harness.images is Images.DOMCTX:
        yield harness.domain(state)
        return
    with _opened(trial, _image(trial, state)) as domain:
        yield domain


def _image(trial: Trial, state: Any) -> bytes:
    harness, sink = trial.harness, BytesSink()
    save(harness.domain(state), sink, harness.registry, harness.operation, images=harness.images)
    return bytes(sink.octets)


def imaged(trial: Trial, state: Any) -> None:
    """An image of the state verifies; it gives the state, opened as a file and loaded as a stream."""
    harness, octets = trial.harness, trial.saved(state)
    try:
        image = _image(trial, state)
        with _opened(trial, image) as domain:
            for problem in verify_image(domain.image, harness.registry, harness.operation).problems:
                raise problem
            _gives(trial, domain.state(harness.type.state), octets, "opened")
        _gives(trial, _loaded(trial, image), octets, "loaded")
    except DomctxError as error:
        trial.broken("an image of the state cannot be used", error)


def _gives(trial: Trial, state: Any, octets: bytes, how: str) -> None:
    again = b"" if state is None else trial.saved(state)
    if again != octets:
        trial.broken(f"an image that is {how} gives a state that saves to other octets, {compared(octets, again)}")


@contextlib.contextmanager
def _opened(trial: Trial, image: bytes) -> Iterator[ImageDomain]:
    with tempfile.NamedTemporaryFile(prefix="domctx-contract-") as file:
        file.write(image)
        file.flush()
        with contextlib.closing(ImageDomain(open_image(file.name), trial.harness.registry, Operation())) as domain:
            yield domain


def _loaded(trial: Trial, image: bytes) -> Any:
    harness = trial.harness
    others = {key: lambda machine, other=other: other for key, other in harness.others.items()}
    target = StatesTarget({**others, harness.type.state: harness.type.new_state}, harness.machine)
    load(BytesSource(image), target, harness.registry, harness.operation)
    return target.state(harness.type.state)
