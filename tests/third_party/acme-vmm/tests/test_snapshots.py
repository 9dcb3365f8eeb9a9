"""Snapshots that are written come back; what is no snapshot is refused, and nothing else happens."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from acme_vmm.domain import open_domain
from acme_vmm.layout import PAGE_SIZE
from acme_vmm.writer import write
from hypothesis import given, strategies as st

from domctx.api import Machine, RamBlock
from domctx.context import OpenContext, Operation
from domctx.errors import DomainError, DomctxError, StreamError
from domctx.sinks import BytesSink
from domctx.states import MEMORY, PageBatch, PageKind
from domctx.testing import StatesDomain
from domctx_memory.stored import StoredMemory


def machine_with(pages: list[int], vcpus: int = 2, blocks: int = 1) -> StatesDomain:
    """A machine whose pages hold these octets; of a page of -1 nothing is known."""
    told = tuple(RamBlock(f"ram{index}", len(pages) * PAGE_SIZE, 12) for index in range(blocks))
    memory = StoredMemory(told)
    for index in range(blocks):
        kinds = np.array([PageKind.BROKEN if octet < 0 else PageKind.FILL for octet in pages], np.uint8)
        fills = np.array([octet for octet in pages if octet >= 0], np.uint8)
        memory.store(PageBatch(index, 0, kinds, np.empty((0, PAGE_SIZE), np.uint8), fills))
    machine = Machine("ant", "x86_64", blocks=told, vcpus=tuple(range(vcpus)))
    return StatesDomain(machine, {MEMORY: memory})


def snapshot_of(domain: StatesDomain, operation: Operation | None = None) -> bytes:
    """Its snapshot."""
    sink = BytesSink()
    write(domain, sink, OpenContext(operation or Operation(), (), {}))
    return bytes(sink.octets)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that each example writes anew."""
    return tmp_path_factory.mktemp("snapshots") / "a.vmm"


@given(st.lists(st.sampled_from([0, 0, 7, 9]), max_size=40), st.integers(1, 9))
def test_what_is_written_comes_back(path: Path, pages: list[int], step: int) -> None:
    """Page for page, at random and in order, whatever the size of batches; zero pages take no room."""
    octets = snapshot_of(machine_with(pages))
    assert octets.count(bytes((7,)) * PAGE_SIZE) == pages.count(7)
    assert len(octets) < (len(pages) - pages.count(0)) * PAGE_SIZE + 64 + 8 + 8 * 21
    path.write_bytes(octets)
    domain = open_domain(str(path))
    assert (domain.machine.name, domain.machine.vcpus) == ("ant", (0, 1))
    memory = domain.state(MEMORY)
    assert memory is not None
    kinds = np.concatenate([np.empty(0, np.uint8), *(batch.kinds for batch in memory.batches(step))])
    assert kinds.tolist() == [PageKind.DATA if octet else PageKind.ZERO for octet in pages]
    for first in range(len(pages)):
        batch = memory.read(0, first, min(step, len(pages) - first))
        assert batch.pages[:, ::512].max(axis=1, initial=0).tolist() == [
            octet for octet in pages[first : first + step] if octet
        ]
    assert snapshot_of(StatesDomain(domain.machine, {MEMORY: memory})) == octets
    domain.close()


def test_where_runs_meet() -> None:
    """Runs of pages go on from one batch to the next."""
    octets = snapshot_of(machine_with([0, *[5] * 3000, 0, 6]))
    assert octets[-8:] == struct.pack("<I4s", 2, b"ACME")
    assert octets[-24:-8] == struct.pack("<4I", 1, 3000, 3002, 1)


SNAPSHOT = snapshot_of(machine_with([0, 7, 7, 0, 9]))


@given(st.integers(0, len(SNAPSHOT) - 1), st.integers(1, 255), st.booleans())
def test_damage_is_refused_or_is_in_the_pages(path: Path, place: int, bits: int, cut: bool) -> None:
    """A snapshot that was cut is refused; a flipped octet too, where it is not one of a page or of the name."""
    damaged = bytearray(SNAPSHOT)
    damaged[place] ^= bits
    path.write_bytes(SNAPSHOT[:place] if cut else bytes(damaged))
    refused = refusal(path)
    if refused is None:
        assert not cut
        assert 8 <= place < len(SNAPSHOT) - 24
    else:
        assert refused.file == str(path)


def refusal(path: Path) -> DomctxError | None:
    """What is said of a snapshot that is refused."""
    try:
        domain = open_domain(str(path))
        try:
            domain.owned_states()
        finally:
            domain.close()
    except DomctxError as error:
        return error
    return None


def test_claims(path: Path) -> None:
    """What claims more than there is takes no memory before it is refused."""
    many = struct.pack("<I", 0xFFFF_FFFF)
    for octets in (SNAPSHOT[:-8] + many + b"ACME", SNAPSHOT[:12] + many + SNAPSHOT[16:]):
        path.write_bytes(octets)
        assert isinstance(refusal(path), StreamError)


def test_machines_that_no_snapshot_holds() -> None:
    """Are refused, and say why; pages without contents are zero, and told."""
    for domain, why in (
        (StatesDomain(Machine("ant", ""), {}), "no state 'memory'"),
        (machine_with([1], blocks=2), "one RAM block"),
        (machine_with([1], vcpus=300), "at most 256 vCPUs"),
    ):
        with pytest.raises(DomainError, match=why):
            snapshot_of(domain)
    passing = machine_with([1])
    passing.one_pass = True
    with pytest.raises(DomainError, match="passes only once\n  save it to an image"):
        snapshot_of(passing)
    operation = Operation()
    assert snapshot_of(machine_with([1, -1]), operation) == snapshot_of(machine_with([1, 0]))
    assert operation.notes == ["1 pages have no contents: they are zero in the snapshot"]


def test_memory_is_read_only(path: Path) -> None:
    """And has no pages outside of its block."""
    path.write_bytes(SNAPSHOT)
    domain = open_domain(str(path))
    memory = domain.state(MEMORY)
    assert memory is not None
    for block, first, count in ((1, 0, 1), (0, -1, 1), (0, 4, 2), (0, 0, -1)):
        with pytest.raises(DomainError, match="no such pages"):
            memory.read(block, first, count)
    with pytest.raises(DomainError, match="takes no pages"):
        memory.store(memory.read(0, 0, 1))
    domain.close()
