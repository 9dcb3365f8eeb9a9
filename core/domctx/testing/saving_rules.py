"""The rules of saving: the state stays as it was, the octets are the same each time, the dry run tells their number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domctx.errors import DomctxError
from domctx.save import Estimate, dry_run
from domctx.testing.readers import CuttingWriter
from domctx.testing.trial import Trial, compared


def unchanged(trial: Trial, state: Any, snapshot: Callable[[Any], Any]) -> None:
    """Saving, and a dry run, change nothing that a snapshot shows."""
    before = snapshot(state)
    trial.saved(state)
    if snapshot(state) != before:
        trial.broken("the save handler changes the state")
    _estimate(trial, state)
    if snapshot(state) != before:
        trial.broken("a dry run changes the state")


def repeatable(trial: Trial, state: Any) -> None:
    """The octets are the same the second time, and when every piece is cut into many."""
    first, second = trial.saved(state), trial.saved(state)
    if first != second:
        trial.broken(f"the same state saves to other octets the second time, {compared(first, second)}")
    cut = trial.harness.save(state, CuttingWriter)
    if first != cut:
        trial.broken(f"how data is cut shows in the stream, {compared(first, cut)}")


def told_size(trial: Trial, state: Any) -> None:
    """The dry run's size is the real one where it says exact, else not below it; the handler's own dry run likewise."""
    real = len(trial.saved(state))
    told = _estimate(trial, state)
    if told.exact and told.octets != real:
        trial.broken(f"the dry run says exactly {told.octets} octets, the records take {real}")
    if told.octets < real:
        trial.broken(f"the dry run says at most {told.octets} octets, the records take {real}")
    try:
        counted = len(trial.harness.save(state, dry_run=True))
    except DomctxError as error:
        trial.broken("the save handler cannot run dry", error)
    if counted < real or (told.exact and counted != real):
        trial.broken(f"the save handler's own dry run counts {counted} octets, the records take {real}")


def _estimate(trial: Trial, state: Any) -> Estimate:
    harness = trial.harness
    try:
        estimates = dry_run(
            harness.domain(state), harness.registry, harness.operation, images=harness.images, sample=True
        )
    except DomctxError as error:
        trial.broken("the size cannot be told", error)
    return next(estimate for estimate in estimates if estimate.record == harness.type.name)
