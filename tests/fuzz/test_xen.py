"""The reader of Xen streams against mutated input."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from domctx.context import OpenContext, Operation
from domctx.sinks import CountingSink
from domctx.states import FOREIGN_HEAD, FOREIGN_TAIL, MEMORY
from domctx_xen.check import covered
from domctx_xen.domain import XenDomain, open_domain
from domctx_xen.plugin import domctx_formats
from domctx_xen.writer import write
from helpers.fuzzing import mutations, survives
from helpers.xen_streams import KINDS, made, remus

LIMIT = 512 << 20
"""Octets of peak memory that no reader may pass, the interpreter and every library included."""
(FORMAT,) = domctx_formats()


@pytest.fixture(scope="module")
def seconds(request: pytest.FixtureRequest) -> float:
    """How long each target runs."""
    return float(request.config.getoption("--fuzz-seconds"))


def use(domain: XenDomain) -> None:
    """Ask for everything that a domain has, of its memory for the beginning; check it, and write it."""
    assert domain.machine.hypervisor == "xen"
    for key in domain.owned_states():
        domain.state(key)
    memory = domain.state(MEMORY)
    for _ in islice(memory.batches(64), 64) if memory is not None else ():
        pass
    for key in (FOREIGN_HEAD, FOREIGN_TAIL):
        foreign = domain.state(key)
        list(foreign.parts if foreign is not None else ())
    if domain.pages < 1 << 16:
        write(domain, CountingSink(), OpenContext(Operation(), FORMAT.options, {}))
        list(covered(domain))


def test_streams(seconds: float, tmp_path: Path) -> None:
    """Streams of every kind, checkpointed ones too."""

    def target(octets: bytes) -> None:
        path = tmp_path / "stream.xen"
        path.write_bytes(octets)
        domain = open_domain(str(path), OpenContext(Operation(), FORMAT.options, {}))
        try:
            use(domain)
        finally:
            domain.close()

    seeds = [made(*parts).octets for parts in (*KINDS.values(), remus())]
    for octets in seeds:
        assert survives(target, octets)
    for octets in mutations(seeds, seconds):
        survives(target, octets)
