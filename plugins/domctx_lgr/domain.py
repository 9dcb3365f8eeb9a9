"""A LinuxGuestRecord as a Domain."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from domctx.api import FormatContext, Machine, StateKey
from domctx.file_domain import FileDomain
from domctx.files import in_file
from domctx.states import (
    FOREIGN_HEAD,
    FOREIGN_TAIL,
    GDT,
    MEMORY,
    PAGE_TABLES,
    SHARED_INFO,
    VCPUS,
    ForeignPart,
    GdtContext,
    PageTablesContext,
    SharedInfoContext,
)
from domctx_cpu import StoredVcpus
from domctx_cpu.contexts import vcpu_context
from domctx_foreign import StoredForeign
from domctx_gdt import StoredGdt
from domctx_lgr.content import Content, read_header
from domctx_lgr.decide import decide
from domctx_lgr.files import Octets, PlainFile
from domctx_lgr.inflate import GzipFile, open_octets
from domctx_lgr.layout import ABI, SCHEME, Header, frame_groups
from domctx_lgr.memory import LgrMemory, ram_block
from domctx_lgr.tail import find_tail
from domctx_page_tables import StoredPageTables
from domctx_shared_info import StoredSharedInfo
from domctx_x86 import I386_2LEVEL, PAGE_SIZE, gdt_frame_count

HYPERVISOR: Final = "xen-2004"
VCPU: Final = 0

NAME_REST: Final = "name, behind its NUL"
FRAME_LIST_REST: Final = "frame list, behind its used entries"
GDT_REST: Final = "gdt_frames, behind those in use"
SLACK: Final = 64 << 20
ROUNDS: Final = 8
"""A gzip file may inflate to this many times its pages (they may be sent again), and SLACK octets besides."""


class LgrDomain(FileDomain):
    """An opened file. What is not needed for ``machine`` is read when it is first asked for."""

    scheme = SCHEME

    def __init__(
        self, octets: PlainFile | GzipFile, header: Header, read: Callable[[], Content], note: Callable[[str], None]
    ) -> None:
        self.location = octets.file.name if isinstance(octets, GzipFile) else octets.name
        self.octets = octets
        self._header = header
        self._read = read
        self._note = note

    @functools.cached_property
    def content(self) -> Content:
        """The record. Raises StreamError."""
        with in_file(self.octets.name):
            return self._read()

    @functools.cached_property
    def states(self) -> Mapping[StateKey[Any], Any]:
        """The providers; FOREIGN_HEAD and FOREIGN_TAIL only where there is such a part. Raises StreamError."""
        states = _states(self.octets, self.content)
        tail = states[FOREIGN_TAIL]
        if tail is not None:
            self._note(f"{self.location}: 0x{tail.size:x} octets stand behind the end of the record; they are kept")
        return {key: state for key, state in states.items() if state is not None}

    @property
    def machine(self) -> Machine:
        """A suspended i386 guest of Xen of 2004, with one vCPU and one block of memory."""
        return Machine(
            name=name_of(self._header),
            architecture="i386",
            hypervisor=HYPERVISOR,
            blocks=(ram_block(self._header.nr_pfns),),
            vcpus=(VCPU,),
            run_state="suspended",
            pv_width=I386_2LEVEL.width,
            pv_levels=I386_2LEVEL.levels,
        )

    def close(self) -> None:
        """Close the file and its spool."""
        self.octets.close()


def open_domain(path: str, context: FormatContext) -> LgrDomain:
    """Open a file. Raises DomctxError; whatever is known by then to be cut or out of range is refused at once.

    Of a gzip file with its pages in batches no more than the beginning is read.
    """
    octets = open_octets(path, context.note)
    try:
        with in_file(octets.name):
            return _open(octets, context.note)
    except BaseException:
        octets.close()
        raise


def _open(octets: PlainFile | GzipFile, note: Callable[[str], None]) -> LgrDomain:
    header = read_header(octets)
    if isinstance(octets, GzipFile):
        octets.most = ROUNDS * header.nr_pfns * (PAGE_SIZE + 4) + SLACK
    reading, content = decide(octets, header)
    read = functools.partial(reading.read, octets, header) if content is None else lambda: content
    return LgrDomain(octets, header, read, note)


def name_of(header: Header) -> str:
    """The domain's name: what stands before the first NUL."""
    return header.name.partition(b"\0")[0].decode("latin-1")


def _states(octets: Octets, content: Content) -> dict[StateKey[Any], Any]:
    context, shared = content.context, content.shared_info
    head = list(_head(content))
    page_tables = PageTablesContext(
        width=I386_2LEVEL.width,
        levels=I386_2LEVEL.levels,
        types=content.types,
        frame_list=content.frame_list,
    )
    frames = context.gdt_frames[: gdt_frame_count(context.gdt_ents)]
    return {
        FOREIGN_HEAD: StoredForeign(head) if head else None,
        PAGE_TABLES: StoredPageTables(page_tables),
        MEMORY: LgrMemory(octets, content),
        VCPUS: StoredVcpus({VCPU: vcpu_context(context)}),
        GDT: StoredGdt({VCPU: GdtContext(frames, context.gdt_ents)}),
        SHARED_INFO: None if shared is None else StoredSharedInfo(SharedInfoContext(ABI, shared)),
        FOREIGN_TAIL: find_tail(octets, content.end),
    }


def _head(content: Content) -> Iterator[ForeignPart]:
    """What the file holds besides its states and what can be derived from them."""
    unused = content.context.gdt_frames[gdt_frame_count(content.context.gdt_ents) :]
    rests = {
        NAME_REST: content.header.name.partition(b"\0")[2],
        FRAME_LIST_REST: content.frame_page[4 * frame_groups(content.header.nr_pfns) :],
        GDT_REST: b"".join(frame.to_bytes(4, "little") for frame in unused),
    }
    for name, octets in rests.items():
        if octets.strip(b"\0"):
            yield ForeignPart(SCHEME, name, octets)
