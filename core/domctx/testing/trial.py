"""One rule of the contract tried on one record type: how a rule is judged, and how a failure reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from domctx.errors import DomctxError, PluginError
from domctx.testing.harness import Harness
from domctx.testing.streams import RawRecord, split, spread
from domctx.values import frozen
from domctx.wire import record_name

QUOTED = 64
"""Octets of a body that a failure quotes."""
RECORDS = 8
"""Records of a state whose bodies are changed; of more, the first, the last and some between."""


class BrokenContract(AssertionError):
    """A record type broke a rule of the contract; the message names type, rule and record."""


@frozen
class Trial:
    """A rule that is being tried."""

    harness: Harness
    rule: str
    may_be_body: Callable[[bytes], bool]
    limit: int
    """Changes of one body that are tried."""

    def broken(self, what: str, error: BaseException | None = None) -> NoReturn:
        """The rule is broken. Raises BrokenContract."""
        cause = f": {type(error).__name__}: {error}" if error is not None else ""
        raise BrokenContract(f"{self.harness.type.name}: {self.rule}: {what}{cause}") from error

    def saved(self, state: Any) -> bytes:
        """The records of a state, which must save."""
        try:
            return self.harness.save(state)
        except DomctxError as error:
            self.broken("the state cannot be saved", error)

    def bodies(self, state: Any) -> Iterator[tuple[list[RawRecord], int]]:
        """The records of a state, and the place among them of one whose body is to be changed."""
        records = split(self.saved(state))
        for index in spread(len(records), RECORDS, b""):
            yield records, index

    def name(self, record: RawRecord) -> str:
        """A record as failures name it, with its body."""
        body = record.body[:QUOTED].hex(" ") + (" ..." if len(record.body) > QUOTED else "")
        return f"{record_name(self.harness.type.name, record.instance)} of {len(record.body)} octets ({body})"

    def judge(self, octets: bytes, what: str, *, may_be_good: bool) -> None:
        """A changed stream must be refused; one that may be good may also load to a state that saves to just it.

        ``what`` begins the message: ``CPU[0] of 8 octets with ...``.
        """
        try:
            state = self.harness.load(octets)
        except PluginError as error:
            self.broken(f"{what} is not refused with a DomctxError", error)
        except DomctxError:
            self._refused_by_check(octets, what)
            return
        if not may_be_good:
            self.broken(f"{what} is accepted")
        try:
            again = self.harness.save(state)
        except DomctxError as error:
            self.broken(f"{what} loads to a state that cannot be saved", error)
        if again != octets:
            self.broken(f"{what} loads to a state that saves to other octets: {compared(octets, again)}")
        self.accepted_by_check(octets, what)

    def _refused_by_check(self, octets: bytes, what: str) -> None:
        if self.harness.type.check is not None:
            self.refused(lambda: self.harness.check(octets), f"{what} is refused by load, but by check it")

    def refused(self, road: Callable[[], object], what: str) -> None:
        """A road must refuse."""
        try:
            road()
        except PluginError as error:
            self.broken(f"{what} is not refused with a DomctxError", error)
        except DomctxError:
            return
        self.broken(f"{what} is accepted")

    def accepted_by_check(self, octets: bytes, what: str) -> None:
        """What loads must also pass the type's own check."""
        try:
            self.harness.check(octets)
        except DomctxError as error:
            self.broken(f"{what} is accepted by load, but refused by check", error)


def compared(expected: bytes, got: bytes) -> str:
    """Where two streams part, in a few words."""
    pairs = enumerate(zip(expected, got, strict=False))
    place = next((place for place, (a, b) in pairs if a != b), min(len(expected), len(got)))
    sides = [side[place : place + 16].hex(" ") or "the end" for side in (expected, got)]
    return f"from octet 0x{place:x} of the stream on; expected {sides[0]}, got {sides[1]}"
