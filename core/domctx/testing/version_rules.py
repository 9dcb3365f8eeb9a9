"""The rules of older versions: what earlier releases saved is loaded, and saved again as what this one saves."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from domctx.errors import DomctxError
from domctx.testing.loading_rules import identity
from domctx.testing.streams import RawRecord, replaced, spread
from domctx.testing.trial import Trial, compared
from domctx.values import frozen
from domctx.wire import OPTIONAL


@frozen
class Older:
    """A state as an earlier release saved it: octets that were kept when its version was the present one."""

    version: int
    """Of the bodies."""
    bodies: tuple[bytes, ...]
    """Of its records; instances count from 0."""
    state: Any
    """What they hold, as a state of today."""


def given(trial: Trial, older: Sequence[Older]) -> None:
    """Of every older version that the type reads there is something to try."""
    kind = trial.harness.type
    versions = {each.version for each in older}
    lacking = [version for version in range(kind.oldest, kind.version) if version not in versions]
    if lacking:
        told = ", ".join(map(str, lacking))
        trial.broken(f"bodies of version {told} are read, and `older` has none to try")
    beyond = sorted(version for version in versions if not kind.oldest <= version < kind.version)
    if beyond:
        told = ", ".join(map(str, beyond))
        trial.broken(f"`older` has bodies of version {told}; expected {kind.oldest} to below {kind.version}")


def loaded(trial: Trial, older: Older) -> None:
    """What an earlier release saved loads to the state that it holds; a body that is cut, at any place, is refused."""
    kind = trial.harness.type
    flag = OPTIONAL if kind.optional else 0
    records = [RawRecord(kind.code | flag, instance, body) for instance, body in enumerate(older.bodies)]
    octets = b"".join(record.octets() for record in records)
    try:
        state = trial.harness.load(octets, version=older.version)
    except DomctxError as error:
        trial.broken(f"what version {older.version} saved cannot be loaded", error)
    expected, got = trial.saved(older.state), trial.saved(state)
    if got != expected:
        trial.broken(f"what version {older.version} saved loads to another state: {compared(expected, got)}")
    identity(trial, state)
    for index in range(len(records)):
        _truncated(trial, older.version, records, index)


def _truncated(trial: Trial, version: int, records: list[RawRecord], index: int) -> None:
    record = records[index]
    for length in spread(len(record.body), trial.limit, record.body):
        body = record.body[:length]
        if not trial.may_be_body(body):
            load = functools.partial(trial.harness.load, replaced(records, index, body), version=version)
            trial.refused(load, f"{trial.name(record)} of version {version}, cut to {length} octets,")
