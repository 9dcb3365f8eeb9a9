"""The rules of loading: what was saved comes back as it was, and what was changed is refused or kept exactly."""

from __future__ import annotations

import functools
import itertools
from typing import Any, Final

import attrs

from domctx.errors import DomctxError
from domctx.testing.harness import MakeReader, plain_reader
from domctx.testing.readers import ForgetfulReader
from domctx.testing.streams import RawRecord, flipped, replaced, split, spread
from domctx.testing.trial import Trial, compared
from domctx.wire import OPTIONAL, padding

TAILS: Final = (b"\0", b"\xff", bytes(4), bytes(8), bytes(4096))
"""What is put behind a body that must end where it ends."""


def identity(trial: Trial, state: Any) -> None:
    """Save, load into a new state, save: the same octets; the type's own check passes them."""
    octets = trial.saved(state)
    _comes_back(trial, [octets], octets)
    trial.accepted_by_check(octets, "what was saved")


def keeps_no_views(trial: Trial, state: Any) -> None:
    """The same, though every view is wiped when the next octets are read."""
    octets = trial.saved(state)
    _comes_back(trial, [octets], octets, ForgetfulReader)


def several_runs(trial: Trial, state: Any) -> None:
    """The same, though every record comes in a run of its own."""
    octets = trial.saved(state)
    _comes_back(trial, [record.octets() for record in split(octets)], octets)


def _comes_back(trial: Trial, runs: list[bytes], octets: bytes, make: MakeReader = plain_reader) -> None:
    try:
        state = trial.harness.load_runs(runs, make)
    except DomctxError as error:
        trial.broken("what was saved cannot be loaded", error)
    try:
        again = trial.harness.save(state)
    except DomctxError as error:
        trial.broken("what was loaded cannot be saved", error)
    if again != octets:
        trial.broken(f"what was saved loads to a state that saves to other octets, {compared(octets, again)}")


def truncated(trial: Trial, state: Any) -> None:
    """Every shorter body is refused."""
    for records, index in trial.bodies(state):
        record = records[index]
        for length in spread(len(record.body), trial.limit, record.body):
            _judge(trial, records, index, record.body[:length], f"cut to {length} octets")


def lengthened(trial: Trial, state: Any) -> None:
    """Bodies with octets behind their end are refused."""
    for records, index in trial.bodies(state):
        body = records[index].body
        for tail in TAILS:
            if len(body) + len(tail) <= trial.harness.type.max_body:
                _judge(trial, records, index, body + tail, f"with {len(tail)} octets (0x{tail[0]:02x}) behind")


def _judge(trial: Trial, records: list[RawRecord], index: int, body: bytes, how: str) -> None:
    what = f"{trial.name(records[index])} {how}"
    trial.judge(replaced(records, index, body), what, may_be_good=trial.may_be_body(body))


def flipped_bits(trial: Trial, state: Any) -> None:
    """Every body with one bit flipped is refused, or goes out as it came in."""
    for records, index in trial.bodies(state):
        record = records[index]
        for bit in spread(8 * len(record.body), trial.limit, record.body):
            what = f"{trial.name(record)} with bit {bit & 7} of octet 0x{bit >> 3:x} flipped"
            trial.judge(replaced(records, index, flipped(record.body, bit)), what, may_be_good=True)


def padded(trial: Trial, state: Any) -> None:
    """Padding with any bit set is refused."""
    for records, index in trial.bodies(state):
        record = records[index]
        pad = padding(len(record.body))
        for bit in range(8 * len(pad)):
            what = f"{trial.name(record)} with the padding {flipped(pad, bit).hex(' ')}"
            trial.judge(replaced(records, index, record.body, flipped(pad, bit)), what, may_be_good=False)


def garbage(trial: Trial, body: bytes) -> None:
    """Any octets as a body are refused, or go out as they came in."""
    kind = trial.harness.type
    record = RawRecord(kind.code | (OPTIONAL if kind.optional else 0), 0, body)
    trial.judge(record.octets(), f"{trial.name(record)} of random octets", may_be_good=True)


def mutant(trial: Trial, records: list[RawRecord], index: int, body: bytes) -> None:
    """A body changed in many places at once is refused, or goes out as it came in."""
    what = f"{trial.name(attrs.evolve(records[index], body=body))}, a mutant,"
    trial.judge(replaced(records, index, body), what, may_be_good=True)


def cut_streams(trial: Trial, state: Any) -> None:
    """A stream that ends inside a record is refused."""
    octets = trial.saved(state)
    whole = set(itertools.accumulate((len(record.octets()) for record in split(octets)), initial=0))
    for length in spread(len(octets), trial.limit // 4, octets):
        if length not in whole:
            cut = functools.partial(trial.harness.load_cut, octets[:length])
            trial.refused(cut, f"a stream cut to {length} octets")
