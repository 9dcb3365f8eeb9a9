"""Xen streams as domains, and what domctx says of them."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import attrs

from domctx.api import Coverage, Domain, Format
from domctx.context import OpenContext, Operation
from domctx.discovery import entry_points
from domctx.errors import DomctxError
from domctx.manager import Manager
from domctx.references import IMAGE_FORMAT
from domctx.registry import Registry
from domctx.states import MEMORY
from domctx.verify import verify_foreign
from domctx_memory.pages import whole
from domctx_xen.domain import XenDomain, open_domain
from domctx_xen.plugin import domctx_formats
from helpers.xen_streams import Bits, made

PAGE = 4096
(FORMAT,) = domctx_formats()


@functools.cache
def registry() -> Registry:
    """All bundled plugins."""
    return Registry.resolve(Manager.load(entry_points(sys.path)), [IMAGE_FORMAT])


def opened(path: Path, notes: list[str] | None = None) -> XenDomain:
    """A stream as a domain; ``notes`` gathers what the user is told."""
    operation = Operation(note=None if notes is None else notes.append)
    return open_domain(str(path), OpenContext(operation, FORMAT.options, {}))


def domain_of(folder: Path, *parts: Bits | bytes, notes: list[str] | None = None) -> XenDomain:
    """A stream of these parts as a domain."""
    return opened(made(*parts).write(folder), notes)


@attrs.frozen
class Verdict:
    """What ``domctx verify`` says."""

    problem: str | None
    uncovered: tuple[str, ...] = ()


def verdict(path: Path) -> Verdict:
    """Verify a stream as the command does."""
    try:
        domain = opened(path)
    except DomctxError as error:
        return Verdict(str(error))
    try:
        return _verified(domain, FORMAT)
    finally:
        domain.close()


def _verified(domain: Domain, format_: Format) -> Verdict:
    try:
        with Operation() as operation:
            report = verify_foreign(domain, format_, registry(), operation)
    except DomctxError as error:
        return Verdict(str(error))
    if report.problems:
        return Verdict(str(report.problems[0]))
    return Verdict(None, tuple(_part(each) for each in report.coverage if not each.check))


def _part(coverage: Coverage) -> str:
    return coverage.part


def verdict_of(folder: Path, *parts: Bits | bytes) -> Verdict:
    """Verify a stream of these parts."""
    return verdict(made(*parts).write(folder))


def memory_of(domain: Domain) -> bytes:
    """All of memory, read in order; pages without contents are zeros."""
    memory = domain.state(MEMORY)
    assert memory is not None
    return b"".join(whole(batch, PAGE).tobytes() for batch in memory.batches(3))
