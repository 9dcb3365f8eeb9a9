"""Tests of domctx.convert: one domain saved into another's target, through a pipe."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from domctx.api import Context, RecordRun, RecordWriter
from domctx.context import Operation
from domctx.convert import into_target
from domctx.errors import DomainError, DomctxError, PluginError
from domctx.registry import Registry
from helpers import toy_vendor, toys
from helpers.toy_files import domain_of
from helpers.toy_images import one_type, states, toy, toy_registry, vendor_image
from helpers.toy_machines import MACHINE, ToyDomain, ToyTarget

TOYS = toy_registry()


def threads() -> list[str]:
    """The threads that are left."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("domctx-save")]


def converted(domain: Any, registry: Registry = TOYS, **more: Any) -> ToyTarget:
    """A target that took a domain over; no thread and no pipe is left."""
    target = ToyTarget()
    before = len(os.listdir("/proc/self/fd"))
    with Operation() as operation:
        into_target(domain, target, registry, operation, **more)
    assert (len(os.listdir("/proc/self/fd")), threads()) == (before, [])
    return target


def test_every_state_is_taken_over() -> None:
    """More than a pipe holds at once too; the domain is given back."""
    domain = ToyDomain({**states(), toys.BULK: toys.Bulk(3 << 20)})
    target = converted(domain)
    assert target.states == domain.states
    assert target.events == ["prepare", "commit"]
    assert target.machine == MACHINE
    assert domain.events == ["pause", "unpause"]


def test_states_may_be_dropped() -> None:
    """On both sides."""
    assert set(converted(ToyDomain(states()), drop=["notes", "bulk"]).states) == {toys.DIAL, toys.LAMPS, toys.CLOCK}


def test_an_image_is_taken_over(tmp_path: Path) -> None:
    """What nobody knows is noted: a machine has no place for it."""
    domain, operation, target = domain_of(tmp_path, vendor_image(), TOYS), Operation(), ToyTarget()
    into_target(domain, target, TOYS, operation)
    assert target.states == states()
    assert operation.notes == [f"type 0x{toy_vendor.MARK_CODE | 1 << 31:08x}[5] is optional and unknown: skipped"]
    domain.close()
    operation.close()


def test_progress_is_counted_once() -> None:
    """By the load."""
    told: list[int] = []
    with Operation(progress=told.append) as operation:
        into_target(ToyDomain(states()), ToyTarget(), TOYS, operation)
    assert sum(told) == sum(map(len, states()[toys.NOTES].texts))


def refused(domain: Any, target: ToyTarget, registry: Registry = TOYS) -> BaseException:
    """The error that a conversion ends with: the target was aborted, the domain given back, nothing is left."""
    before = len(os.listdir("/proc/self/fd"))
    with Operation() as operation, pytest.raises((DomctxError, KeyboardInterrupt)) as caught:
        into_target(domain, target, registry, operation)
    assert target.events[-1] == "abort"
    assert target.states == {}
    assert (len(os.listdir("/proc/self/fd")), threads()) == (before, [])
    return caught.value


def saving(error: BaseException, size: int) -> Any:
    """A save handler that writes so much of a record, then fails."""

    def handler(state: Any, writer: RecordWriter, context: Context) -> None:
        writer.begin(0, size + 1)
        writer.data(bytes(size))
        raise error

    return handler


@pytest.mark.parametrize("size", [0, 5 << 20])
def test_a_source_that_fails_in_the_middle(size: int) -> None:
    """Is what is told, not that the stream ended early."""
    registry = one_type(toy(toys.BULK_CODE, save=saving(DomainError("the guest is gone"), size)))
    domain = ToyDomain({toys.BULK: toys.Bulk()})
    error = refused(domain, ToyTarget(), registry)
    assert str(error) == "in BULK: the guest is gone"
    assert domain.events == ["pause", "unpause"]
    registry = one_type(toy(toys.BULK_CODE, save=saving(KeyError("gone"), size)))
    error = refused(domain, ToyTarget(), registry)
    assert isinstance(error, PluginError)
    assert isinstance(error.__cause__, KeyError)


def loading(error: BaseException) -> Any:
    """A load handler that reads a little, then fails."""

    def handler(state: Any, run: RecordRun, context: Context) -> None:
        for record in run:
            record.read(1)
            raise error

    return handler


def test_a_target_that_fails_in_the_middle() -> None:
    """Ends the source's work too, however much of it is left."""
    registry = one_type(toy(toys.BULK_CODE, load=loading(DomainError("no frames left"))))
    domain = ToyDomain({toys.BULK: toys.Bulk(20 << 20)})
    error = refused(domain, ToyTarget(), registry)
    assert "in BULK[0]: no frames left" in str(error)
    assert domain.events == ["pause", "unpause"]
    interrupted = one_type(toy(toys.BULK_CODE, load=loading(KeyboardInterrupt())))
    assert isinstance(refused(domain, ToyTarget(), interrupted), KeyboardInterrupt)


@pytest.mark.parametrize("fail", ["prepare", "commit"])
def test_a_target_that_cannot_begin_or_end(fail: str) -> None:
    """Is told as it says."""
    domain = ToyDomain(states(), location="a.toy")
    assert str(refused(domain, ToyTarget(fail=fail))) == f"a.toy: the toy cannot {fail}"
    assert domain.events == ["pause", "unpause"]


def test_a_source_that_cannot_be_paused() -> None:
    """Gives nothing to load."""
    assert str(refused(ToyDomain(states(), fail="pause"), ToyTarget())) == "the toy cannot pause"


def test_a_source_that_cannot_be_given_back_is_told() -> None:
    """There are not two of a machine: the target is aborted."""
    assert str(refused(ToyDomain(states(), fail="unpause"), ToyTarget())) == "the toy cannot unpause"


def test_an_interruption_before_anything_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves no pipe open."""
    before = len(os.listdir("/proc/self/fd"))

    def start(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start)
    with Operation() as operation, pytest.raises(KeyboardInterrupt):
        into_target(ToyDomain(states()), ToyTarget(), TOYS, operation)
    assert len(os.listdir("/proc/self/fd")) == before
