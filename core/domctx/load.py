"""The loading road: a stream of records into a target, which ends in exactly one of commit or abort."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from domctx.api import Machine, RecordRun, Source, Target
from domctx.context import HandlerContext, Operation, running
from domctx.errors import DomainError, DomctxError
from domctx.handlers import guard
from domctx.manifest import Manifest
from domctx.records import StreamRun
from domctx.registry import BoundType, Registry
from domctx.walk import Walk
from domctx.wire import Header, record_name

MakeTarget = Callable[[Manifest | None], Target]
"""Makes the target when the head of the image is known to be good; None for a plain v10 image."""


class Loader:
    """A Receiver that calls the load handlers of a target's states."""

    def __init__(self, make: MakeTarget, registry: Registry, operation: Operation, drop: Sequence[str] = ()) -> None:
        self.target: Target | None = None
        self.registry = registry
        self.operation = operation
        self.drop = drop
        self.manifest: Manifest | None = None
        self._make = make
        self._context: HandlerContext | None = None

    def prepare(self, manifest: Manifest | None) -> None:
        """Make the target and prepare it."""
        self.manifest = manifest
        self.target = self._make(manifest)
        if manifest is not None:
            self.target.prepare(manifest.machine)
        machine = manifest.machine if manifest else Machine("", "")
        self._context = HandlerContext(self.operation, machine, self.registry.attach(self.target).state)

    def run(self, bound: BoundType, run: StreamRun) -> None:
        """Load one run, or drop it where the user said so. Raises DomainError where the target lacks the state."""
        assert self._context is not None  # prepare comes first
        key = bound.type.state
        if key.name in self.drop:
            self.operation.note(f"{bound.type.name}: state {key.name!r} is dropped")
            for record in run:
                record.ignore_data()
            return
        state = self._context.state(key)
        if state is None:
            raise DomainError(
                f"the target has no state {key.name!r} for {bound.type.name}",
                hint=f"leave it out with --drop {key.name}",
            )
        call_load(bound, self.manifest, state, run, self._context)

    def skip(self, header: Header, offset: int) -> None:
        """Say that an optional record is not loaded."""
        self.operation.note(f"{record_name(header.type, header.instance)} is optional and unknown: skipped")


def call_load(bound: BoundType, manifest: Manifest | None, state: Any, run: RecordRun, context: HandlerContext) -> None:
    """Call a type's load handler with just the transforms that the image lists."""
    transforms = manifest.transforms_of(bound.type.code) if manifest else ()
    handler = bound.loading.accepting(transforms).handler
    guard(lambda: handler(state, run, context.of(bound.type)), bound.suspects)


def load(
    source: Source,
    target: Target,
    registry: Registry,
    operation: Operation | None = None,
    *,
    drop: Sequence[str] = (),
    digests: bool = True,
) -> None:
    """Load an image into ``target`` and commit it; abort it, and nothing is left, where anything is not right.

    ``digests`` False is for a source that was verified whole just before.
    """
    try:
        registry.manager.refuse_broken()
    except DomctxError:
        target.abort()
        raise
    with running(operation) as operation:
        loader = Loader(lambda manifest: target, registry, operation, drop)
        loader.target = target
        _fill(loader, source, digests=digests)


def load_made(
    source: Source,
    make: MakeTarget,
    registry: Registry,
    operation: Operation | None = None,
    *,
    drop: Sequence[str] = (),
    digests: bool = True,
) -> None:
    """As ``load``, into a target that is made when START and MANIFEST were read and are good."""
    registry.manager.refuse_broken()
    with running(operation) as operation:
        _fill(Loader(make, registry, operation, drop), source, digests=digests)


def _fill(loader: Loader, source: Source, *, digests: bool) -> None:
    """Fill the loader's target, then commit it; abort it, where it was made, on any exception."""
    try:
        Walk(source, loader.registry, loader.operation, digests=digests).into(loader)
        assert loader.target is not None  # prepare made it
        loader.target.commit()
    except BaseException as error:
        if loader.target is not None:
            loader.target.abort()
        if isinstance(error, DomctxError):
            raise error.at(file=source.name) from error.__cause__
        raise
