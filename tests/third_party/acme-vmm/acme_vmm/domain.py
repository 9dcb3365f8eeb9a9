"""A snapshot as a Domain."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acme_vmm.layout import END, MAX_VCPUS, PAGE_SHIFT, PAGE_SIZE, Head, Run, Tail
from acme_vmm.memory import VmmMemory
from acme_vmm.names import MAGIC, SCHEME
from domctx.api import Machine, Placement, RamBlock, StateKey
from domctx.errors import StreamError
from domctx.file_domain import FileDomain
from domctx.files import StreamFile, in_file, open_at_random
from domctx.schema import decode, dtype, size_of
from domctx.states import MEMORY

HEAD, TAIL, RUN = size_of(Head), size_of(Tail), size_of(Run)


class VmmDomain(FileDomain):
    """An opened snapshot: its head is read when it is opened, its runs when memory is first asked for."""

    scheme = SCHEME

    def __init__(self, file: StreamFile, head: Head) -> None:
        self.location = file.name
        self._file = file
        size = head.pages << PAGE_SHIFT
        self._block = RamBlock("ram", size, PAGE_SHIFT, (Placement(0, 0, size),))
        self.machine = Machine(
            name=head.name,
            architecture="x86_64",
            hypervisor="acme-vmm",
            blocks=(self._block,),
            vcpus=tuple(range(head.vcpus)),
            run_state="paused",
        )

    @functools.cached_property
    def states(self) -> Mapping[StateKey[Any], Any]:
        """Memory. Raises StreamError where its runs cannot be."""
        return {MEMORY: VmmMemory(self._file, self._block, read_runs(self._file, self._block.pages), HEAD)}

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_domain(path: str) -> VmmDomain:
    """Open a snapshot. Raises DomctxError where it cannot be read, or its head cannot be."""
    file = StreamFile(open_at_random(path, SCHEME), path)
    try:
        with in_file(path):
            return VmmDomain(file, read_head(file))
    except BaseException:
        file.close()
        raise


def read_head(file: StreamFile) -> Head:
    """The head. Raises StreamError, CutError."""
    head = decode(Head, file.take(0, HEAD, "its head"))
    if head.magic != MAGIC:
        raise StreamError("not a snapshot of Acme's hypervisor", offset=0, expected=MAGIC, got=head.magic)
    if head.vcpus > MAX_VCPUS:
        raise StreamError("no machine has so many vCPUs", offset=0, expected=f"at most {MAX_VCPUS}", got=head.vcpus)
    return head


def read_runs(file: StreamFile, pages: int) -> NDArray[Any]:
    """The runs, as an array of the fields of Run. Raises StreamError where they are not those of so many pages."""
    place = max(HEAD, file.size - TAIL)
    tail = decode(Tail, file.take(place, TAIL, "its tail"))
    start = place - tail.runs * RUN
    if tail.magic != END or start < HEAD + tail.runs * PAGE_SIZE:  # each run has a page
        raise StreamError("the snapshot has no tail: it was cut", offset=place, expected=END, got=tail.magic)
    runs = np.frombuffer(file.take(start, tail.runs * RUN, "its runs"), dtype(Run))
    firsts, counts = runs["first"].astype(np.int64), runs["count"].astype(np.int64)
    edges = np.append(firsts, pages + 1)
    if (edges[1:] <= firsts + counts).any() or not counts.all():
        raise StreamError("the runs do not ascend, or touch", offset=start, expected=f"runs below page {pages}")
    if HEAD + int(counts.sum()) * PAGE_SIZE != start:
        message = "the snapshot has not the pages that its runs tell"
        raise StreamError(message, offset=start, expected=int(counts.sum()), got=(start - HEAD) // PAGE_SIZE)
    return runs
