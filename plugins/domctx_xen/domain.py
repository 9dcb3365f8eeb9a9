"""A Xen stream as a Domain."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar, cast

import numpy as np

from domctx.api import FormatContext, Machine, StateKey
from domctx.file_domain import FileDomain
from domctx.files import in_file
from domctx.states import FOREIGN_HEAD, FOREIGN_TAIL, MEMORY, PAGE_TABLES, VCPUS
from domctx_foreign import OpenedForeign
from domctx_hvm import HVM_CONTEXT
from domctx_xen.configuration import Configuration, parse
from domctx_xen.content import Content
from domctx_xen.files import open_file
from domctx_xen.heads import read_heads
from domctx_xen.layout import BROKEN, PAGE_SIZE, SCHEME, XTAB
from domctx_xen.memory import XenMemory, check_silence, ram_block
from domctx_xen.parts import head_parts, tail_parts
from domctx_xen.runs import Columns
from domctx_xen.vcpus import hvm_vcpus
from domctx_xen.walk import Walk

T = TypeVar("T")

HYPERVISOR: Final = "xen"


class XenDomain(FileDomain):
    """An opened stream: walked once when it is opened, its pages read at random from then on."""

    scheme = SCHEME

    def __init__(self, walk: Walk) -> None:
        self.location = walk.file.name
        self.walk = walk

    @functools.cached_property
    def configuration(self) -> Configuration:
        """What xl's header tells of the domain."""
        xl = self.walk.heads.xl
        return parse(xl.config) if xl is not None and xl.json else Configuration()

    @functools.cached_property
    def runs(self) -> Columns:
        """Where the pages are."""
        return self.walk.pages.runs.settle()

    @functools.cached_property
    def pages(self) -> int:
        """How many pages the domain has."""
        walk = self.walk
        found = walk.p2m.last + 1 if walk.headers.pv else max(self.runs.ends.tolist()[-1:], default=0)
        with in_file(self.location):
            check_silence(found, self.runs)
        return found

    @property
    def populated(self) -> int | None:
        """Octets of pages that have frames; the addresses of an HVM or PVH guest reach much further than its memory."""
        with_frames = ~np.isin(self.runs.types, (BROKEN, XTAB))
        found = int(self.runs.counts[with_frames].sum()) * PAGE_SIZE
        return found if found < self.pages * PAGE_SIZE else None

    @functools.cached_property
    def content(self) -> Content:
        """The states that records hold. Raises what kept the stream from being read to its end, and RecordError."""
        with in_file(self.location):
            if self.walk.problem is not None:
                raise self.walk.problem
            return Content(self.walk, self.runs, self.pages)

    @functools.cached_property
    def machine(self) -> Machine:
        """What the stream tells of the domain; its name and UUID stand in xl's header alone."""
        pv = self.walk.headers.pv
        levels = self._levels() if pv else None
        return Machine(
            name=self.configuration.name,
            architecture="i386" if levels == 3 else "x86_64",
            hypervisor=HYPERVISOR,
            blocks=(ram_block(self.pages),) if self.pages else (),
            vcpus=self._vcpus(),
            run_state="suspended",
            pv_width={3: 4, 4: 8}.get(levels or 0),
            pv_levels=levels,
            uuid=self.configuration.uuid,
        )

    def state(self, key: StateKey[T]) -> T | None:
        """The provider of a state, or None. Raises DomctxError where the stream could not be read to its end."""
        with in_file(self.location):
            return cast("T | None", self._own.get(key, self._from_content)(key))

    def owned_states(self) -> Sequence[StateKey[Any]]:
        """What the stream holds; FOREIGN_TAIL also where its end was not reached: asking for it says why."""
        if self.walk.problem is not None:
            return (FOREIGN_HEAD, FOREIGN_TAIL)
        memory = (MEMORY,) if self.pages else ()
        return (FOREIGN_HEAD, *self.content.owned_states(), *memory, FOREIGN_TAIL)

    def close(self) -> None:
        """Close the file."""
        self.walk.file.close()

    @functools.cached_property
    def _own(self) -> dict[StateKey[Any], Callable[[StateKey[Any]], Any]]:
        return {
            FOREIGN_HEAD: lambda key: self._head,
            FOREIGN_TAIL: lambda key: self._tail,
            MEMORY: lambda key: self._memory,
        }

    def _from_content(self, key: StateKey[T]) -> T | None:
        return self.content.state(key)

    @functools.cached_property
    def _head(self) -> OpenedForeign:
        return head_parts(self.walk, self.content)

    @functools.cached_property
    def _tail(self) -> OpenedForeign:
        return tail_parts(self.walk, self.content)

    @functools.cached_property
    def _memory(self) -> XenMemory | None:
        typed = self.content.state(PAGE_TABLES) is None
        return XenMemory(self.walk.file, self.runs, self.pages, typed=typed) if self.pages else None

    def _levels(self) -> int | None:
        if self.walk.problem is not None:
            return None
        tables = self.content.state(PAGE_TABLES)
        return tables.context.levels if tables is not None and tables.context is not None else None

    def _vcpus(self) -> tuple[int, ...]:
        if self.walk.problem is not None:
            return ()
        vcpus, hvm = self.content.state(VCPUS), self.content.state(HVM_CONTEXT)
        if vcpus is not None:
            return tuple(vcpus.contexts)
        return hvm_vcpus(hvm.octets) if hvm is not None and hvm.octets is not None else ()


def open_domain(path: str, context: FormatContext) -> XenDomain:
    """Open a stream. Raises DomctxError where its headers cannot be read; what else is wrong is told, and told again.

    The states of a stream that was not read to its end refuse.
    """
    file = open_file(path)
    try:
        with in_file(path):
            walk = Walk(file, read_heads(file))
            walk.walk()
            _ = walk.headers
        domain = XenDomain(walk)
        for message in notes(domain):
            context.note(f"{path}: {message}")
    except BaseException:
        file.close()
        raise
    return domain


def notes(domain: XenDomain) -> Iterator[str]:
    """What the user should know of a stream."""
    walk = domain.walk
    if walk.problem is not None:
        yield f"not read to its end: {walk.problem}"
    if walk.lost is not None:
        left = walk.file.size - walk.end
        yield (
            f"the last complete checkpoint of {walk.checkpoints} counts: 0x{left:x} octets behind it are dropped "
            f"({walk.lost})"
        )
    elif walk.checkpoints:
        yield f"{walk.checkpoints} checkpoints stand before the end of the stream, which counts"
    elif walk.problem is None and walk.end < walk.file.size:
        yield f"0x{walk.file.size - walk.end:x} octets stand behind the end of the stream; they are kept"
    _ = domain.runs  # settles them
    if walk.pages.runs.repeated:
        yield f"0x{walk.pages.runs.repeated:x} pages were sent more than once: the last of each counts"
    if walk.compared.told:
        yield f"0x{walk.compared.told:x} pages were sent a second time to be compared; they are left out"
    if walk.epochs.replaced:
        yield f"{len(walk.epochs.replaced)} records were told more than once: the last of each counts"
    if domain.configuration.problem is not None:
        yield f"xl's configuration is no JSON: {domain.configuration.problem}"
