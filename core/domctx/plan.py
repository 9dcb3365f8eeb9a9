"""What a save writes: the record types of a domain's owned states, and the records that are carried along."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from domctx.api import Buffer, Domain, Images
from domctx.context import Operation
from domctx.errors import DomainError, UsageError
from domctx.manifest import TypeUse
from domctx.registry import AttachedStates, BoundType, Registry
from domctx.stream import StreamWriter
from domctx.values import frozen
from domctx.wire import Header, record_name


@frozen
class Planned:
    """One record type of a save, and the state that its handler gets."""

    bound: BoundType
    state: Any

    @property
    def code(self) -> int:
        """The type code, by which a save is ordered."""
        return self.bound.type.code


@frozen
class Carried:
    """A record of an optional type that nobody knows: copied verbatim from image to image."""

    header: Header
    offset: int
    """Where the record stands in the image that it comes from."""
    use: TypeUse | None
    body: Callable[[], Iterator[Buffer]]

    @property
    def code(self) -> int:
        """The type code, by which a save is ordered."""
        return self.header.code

    @property
    def name(self) -> str:
        """The type's name, as the image's MANIFEST tells it."""
        return record_name(self.use.name if self.use else self.header.type)

    def copy(self, stream: StreamWriter) -> None:
        """Write the record as it stands."""
        stream.begin(*self.header)
        for piece in self.body():
            stream.data(piece)
        stream.end()


def carried_by(domain: Domain) -> list[Carried]:
    """The records that an opened image carries along to another image of ours; none for any other domain."""
    carry = getattr(domain, "carried", None)
    return list(carry()) if carry is not None else []


def leave_carried(domain: Domain, operation: Operation) -> None:
    """Say which records are left behind where the domain is not saved to an image of ours."""
    for item in carried_by(domain):
        operation.note(f"{item.name} is optional and unknown: left out")


def plan(
    domain: Domain, registry: Registry, operation: Operation, *, images: Images, drop: Sequence[str] = ()
) -> list[Planned]:
    """The record types that save the domain's owned states, in ascending type code.

    Raises DomainError for an owned state that no record type saves, unless ``drop`` names it. A plain v10 image is
    asked for by name and holds Xen's records only: what it leaves out is noted; one that would hold nothing is refused.
    """
    attached = registry.attach(domain)
    by_state = registry.states(images)
    planned, left = [], False
    for key in attached.owned():
        if key.name in drop:
            operation.note(f"state {key.name!r} is dropped")
        elif key in by_state:
            planned.append(Planned(by_state[key], _required(attached, key)))
        elif images is Images.PLAIN:
            operation.note(f"a plain v10 image has no record for state {key.name!r}: it is left out")
            left = True
        else:
            raise DomainError(
                f"no record type saves the domain's state {key.name!r}",
                hint=f"install the plugin that does, or leave it out with --drop {key.name}",
            )
    if left and not planned:
        raise DomainError("a plain v10 image would hold nothing of this domain", hint="save it without --plain-xen")
    return sorted(planned, key=lambda item: item.bound.type.code)


def check_drop(drop: Sequence[str], registry: Registry, domain: Domain | None = None) -> None:
    """Raise UsageError for a state that is to be dropped, and that neither a plugin nor ``domain`` knows."""
    known = {bound.type.state.name for bound in registry.types.values()}
    known.update(provider.key.name for provider, _ in registry.providers)
    known.update(key.name for key in (domain.owned_states() if domain is not None else ()))
    for name in drop:
        if name not in known:
            raise UsageError(f"there is no state {name!r} to drop", hint=f"the states are: {', '.join(sorted(known))}")


def _required(attached: AttachedStates, key: Any) -> Any:
    state = attached.state(key)
    if state is None:
        raise DomainError(f"the domain lists state {key.name!r} as its own, but does not give it")
    return state
