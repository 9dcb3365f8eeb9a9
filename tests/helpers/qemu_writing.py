"""Streams written anew: by the writer directly, and through an image by the commands."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from domctx.api import Domain, Machine, StateKey
from domctx.cli.run import run
from domctx.context import OpenContext, Operation
from domctx.requires import Requires
from domctx.sinks import BytesSink
from domctx.states import FOREIGN_HEAD, ForeignPart
from domctx_foreign import StoredForeign
from domctx_libvirt.plugin import domctx_formats as libvirt_formats
from domctx_qemu_stream.plugin import domctx_formats
from domctx_qemu_stream.writer import write
from helpers.qemu_corpus import opened

T = TypeVar("T")


def context_of(scheme: str, *given: str) -> OpenContext:
    """What a format is lent."""
    from domctx import options

    (format_,) = (each for each in (*domctx_formats(), *libvirt_formats()) if each.scheme == scheme)
    return OpenContext(Operation(given), format_.options, options.select(given, format_.options))


def octets_of(domain: Domain) -> bytes:
    """The stream of a domain."""
    sink = BytesSink()
    write(domain, sink, context_of("qemu"))
    return bytes(sink.octets)


def rewritten(octets: bytes, folder: Path) -> bytes:
    """A stream, read and written anew."""
    path = folder / "rewritten.mig"
    path.write_bytes(octets)
    domain = opened(path)
    try:
        return octets_of(domain)
    finally:
        domain.close()


def through_an_image(source: Path, goal: Path, *given: str) -> Path:
    """``source`` converted to an image, and the image to the stream ``goal``."""
    image = goal.with_suffix(".dctx")
    options = [part for each in given for part in ("-O", each)]
    domctx("convert", str(source), str(image), *options)
    domctx("convert", str(image), f"qemu:{goal}")
    return goal


def domctx(*arguments: str, expect: int = 0) -> str:
    """Run a command in this process; what it printed, notes and all. Its exit code is as expected."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = run(["--quiet", *arguments])
    assert code == expect, printed.getvalue()
    return printed.getvalue()


class Held(Requires):
    """A domain of states that a test holds in its hands."""

    scheme = "held"
    location = ""

    def __init__(self, machine: Machine, states: Mapping[StateKey[Any], Any], *, one_pass: bool = False) -> None:
        self.machine, self.one_pass, self._states = machine, one_pass, dict(states)

    @classmethod
    def of(cls, domain: Domain, changed: Mapping[StateKey[Any], Any], *, one_pass: bool = False) -> Held:
        """The states of a domain, some of them changed; None takes one away."""
        states = {key: domain.state(key) for key in domain.owned_states()} | dict(changed)
        return cls(
            domain.machine, {key: state for key, state in states.items() if state is not None}, one_pass=one_pass
        )

    def state(self, key: StateKey[T]) -> T | None:
        """The state that is held, or None."""
        return self._states.get(key)

    def owned_states(self) -> Sequence[StateKey[Any]]:
        """All of them."""
        return tuple(self._states)

    def pause(self) -> None:
        """It does not run."""

    def unpause(self) -> None:
        """It does not run."""

    def close(self) -> None:
        """Nothing to release."""


def head_with(domain: Domain, **changed: bytes | None) -> StoredForeign:
    """FOREIGN_HEAD of a domain, in it the first part of a name changed; None takes it away."""
    head = domain.state(FOREIGN_HEAD)
    assert head is not None
    parts = list(head.parts)
    for name, octets in changed.items():
        place = next((at for at, part in enumerate(parts) if part.name == name), len(parts))
        old = parts[place].format if place < len(parts) else "qemu"
        parts[place : place + 1] = [] if octets is None else [ForeignPart(old, name, octets)]
    return StoredForeign(parts)
