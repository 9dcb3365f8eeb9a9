"""Toy machines: a Domain and a Target in memory, and the format ``toy:`` that keeps one in a file of JSON.

Everything that happens to one is told in ``events``, and in a file beside it that ends with ``.log``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import attrs

from domctx.api import Coverage, Domain, Format, FormatContext, Machine, Option, RamBlock, Sink, StateKey
from domctx.errors import DomainError
from domctx.publish import publish
from domctx.requires import Requires
from helpers import toy_vendor, toys

T = TypeVar("T")
MACHINE = Machine("toy", "i386", blocks=(RamBlock("ram", 1 << 16),), vcpus=(0,), run_state="running")

KINDS: dict[StateKey[Any], type[Any]] = {
    toys.DIAL: toys.Dial,
    toys.NOTES: toys.Notes,
    toys.LAMPS: toys.Lamps,
    toys.BULK: toys.Bulk,
    toys.CLOCK: toys.Clock,
    toy_vendor.MARK: toy_vendor.Octets,
    toy_vendor.NEED: toy_vendor.Octets,
}
"""Every state that a toy machine may have."""


class Log:
    """What happened, in order."""

    def __init__(self, location: str = "") -> None:
        self.events: list[str] = []
        self.location = location

    def add(self, event: str) -> None:
        """One more."""
        self.events.append(event)
        if os.path.isabs(self.location) and not self.location.startswith("/proc/"):  # a spooled stream has no folder
            with open(f"{self.location}.log", "a", encoding="utf-8") as file:
                file.write(event + "\n")


class ToyDomain(Requires):
    """States in memory; ``fail`` names an event that goes wrong."""

    scheme = "toy"
    one_pass = False

    def __init__(
        self, states: Mapping[StateKey[Any], Any], *, location: str = "", machine: Machine = MACHINE, fail: str = ""
    ) -> None:
        self.location = location
        self.machine = machine
        self.states = dict(states)
        self.log = Log(location)
        self.fail = fail

    def _tell(self, event: str) -> None:
        self.log.add(event)
        if event == self.fail:
            raise DomainError(f"the toy cannot {event}")

    @property
    def events(self) -> list[str]:
        """What happened."""
        return self.log.events

    def state(self, key: StateKey[T]) -> T | None:
        """One of the states."""
        return cast("T | None", self.states.get(key))

    def owned_states(self) -> Sequence[StateKey[Any]]:
        """All of them."""
        return list(self.states)

    def pause(self) -> None:
        """Stop."""
        self._tell("pause")

    def unpause(self) -> None:
        """Go on."""
        self._tell("unpause")

    def close(self) -> None:
        """Let go."""
        self._tell("close")


class ToyKeeper(ToyDomain):
    """One that waits for its state to be safe; what there is by then in its folder stands in the log."""

    def saved(self) -> None:
        """Tell which files there are besides the machine's own."""
        others = [path.name for path in Path(self.location).parent.glob("*.*") if not path.match("*.toy.log")]
        self._tell("saved:" + ",".join(sorted({*others} - {Path(self.location).name})))


class ToyTarget:
    """New states, made when they are asked for; ``lacks`` are not there, ``fail`` names an event that goes wrong."""

    scheme = "toy"

    def __init__(self, location: str = "", *, lacks: Sequence[StateKey[Any]] = (), fail: str = "") -> None:
        self.location = location
        self.machine: Machine | None = None
        self.states: dict[StateKey[Any], Any] = {}
        self.lacks = lacks
        self.log = Log(location)
        self.fail = fail

    def _tell(self, event: str) -> None:
        self.log.add(event)
        if event == self.fail:
            raise DomainError(f"the toy cannot {event}")

    @property
    def events(self) -> list[str]:
        """What happened."""
        return self.log.events

    def prepare(self, machine: Machine) -> None:
        """Take the description."""
        self.machine = machine
        self._tell("prepare")

    def state(self, key: StateKey[T]) -> T | None:
        """A state to fill."""
        if key in KINDS and key not in self.lacks:
            self.states.setdefault(key, KINDS[key]())
        return cast("T | None", self.states.get(key))

    def commit(self) -> None:
        """Keep everything."""
        self._tell("commit")
        if os.path.isabs(self.location):
            with publish(self.location, force=True) as file:
                file.write(to_json(self.machine or MACHINE, self.states))

    def abort(self) -> None:
        """Drop everything."""
        self.states.clear()
        self._tell("abort")


def to_json(machine: Machine, states: Mapping[StateKey[Any], Any]) -> bytes:
    """A toy machine as the file that ``toy:`` names."""
    value = {key.name: attrs.asdict(state, value_serializer=_plain) for key, state in states.items()}
    return json.dumps({"toy": machine.name, **dict(sorted(value.items()))}).encode()


def _plain(owner: object, field: object, value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): item.hex() for key, item in value.items()}
    return value


def from_json(text: str) -> dict[StateKey[Any], Any]:
    """The states of such a file."""
    value = json.loads(text)
    make: dict[str, Callable[[Any], Any]] = {
        "dial": lambda item: toys.Dial(toys.DialBody(**item["body"])),
        "notes": lambda item: toys.Notes([bytes.fromhex(part) for part in item["texts"]]),
        "lamps": lambda item: toys.Lamps(_by_number(item["lamps"])),
        "bulk": lambda item: toys.Bulk(**item),
        "toy_clock": lambda item: toys.Clock(**item),
        "acme/mark": lambda item: toy_vendor.Octets(_by_number(item["octets"])),
        "acme/need": lambda item: toy_vendor.Octets(_by_number(item["octets"])),
    }
    return {key: make[key.name](value[key.name]) for key in KINDS if key.name in value}


def _by_number(value: Mapping[str, str]) -> dict[int, bytes]:
    return {int(key): bytes.fromhex(item) for key, item in value.items()}


def open_toy(location: str, context: FormatContext) -> ToyDomain:
    """Open a file; the option ``fail`` names an event that goes wrong; ``keeper.toy`` waits to be told."""
    kind = ToyKeeper if Path(location).name == "keeper.toy" else ToyDomain
    return kind(from_json(Path(location).read_text()), location=location, fail=context.option("fail"))


def create_toy(location: str, context: FormatContext) -> ToyTarget:
    """A new one, where there is none; without a location ``fresh.toy``."""
    location = location or os.path.abspath("fresh.toy")
    if Path(location).exists() and not context.force:
        raise DomainError("exists already", file=location)
    return ToyTarget(location, fail=context.option("fail"))


def update_toy(location: str, context: FormatContext) -> ToyTarget:
    """One that exists."""
    target = ToyTarget(location, fail=context.option("fail"))
    target.states.update(from_json(Path(location).read_text()))
    return target


def write_text(domain: Domain, sink: Sink, context: FormatContext) -> None:
    """The notes, as they are."""
    if context.option("fail"):
        raise KeyError("no such thing")
    notes = domain.state(toys.NOTES)
    for text in notes.texts if notes is not None else ():
        sink.write(b"TEXT" + text)
        context.progress(len(text))
    context.note("only the notes are written")


def open_text(location: str, context: FormatContext) -> ToyDomain:
    """The notes of such a file."""
    texts = Path(location).read_bytes().split(b"TEXT")[1:]
    return ToyDomain({toys.NOTES: toys.Notes(texts)}, location=location)


def formats() -> Sequence[Format]:
    """``toy:``, ``text:`` (a file that is written and read), ``out:`` (only written) and ``in:`` (only read)."""
    fail = Option("fail", str, "what goes wrong", "", choices=("", "pause", "unpause", "close", "prepare", "commit"))
    fail = attrs.evolve(fail, alias="fail")
    fresh = Option("fresh", bool, "a new machine, fresh.toy", alias="fresh")
    text = Format(
        scheme="text",
        summary="notes, one behind the other",
        magics=((0, b"TEXT"),),
        open=open_text,
        write=write_text,
        coverage=lambda domain: [Coverage("notes", "split"), Coverage("the rest")],
        options=(Option("fail", str, "fail", "", alias="fail"),),
    )
    return [
        Format(
            scheme="toy",
            summary="a toy machine",
            open=open_toy,
            create=create_toy,
            update=update_toy,
            options=(fail, fresh),
            implied_by="fresh",
            probe=lambda head: head.startswith(b'{"toy"'),
        ),
        text,
        Format(scheme="out", summary="only written", write=write_text, options=text.options),
        Format(scheme="in", summary="only read", open=open_text),
    ]
