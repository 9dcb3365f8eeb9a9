"""An ELF core as a Domain: memory from its PT_LOADs, registers from its notes."""

from __future__ import annotations

from typing import Any

from domctx.api import Domain, FormatContext, Machine, StateKey
from domctx.file_domain import FileDomain
from domctx.files import RandomFile, in_file, open_at_random
from domctx.states import FOREIGN_HEAD, MEMORY, ForeignPart
from domctx_elf.content import Content, notes_in, read_content
from domctx_elf.layout import QEMU_NAME, SCHEME
from domctx_elf.memory import CoreMemory, blocks_of
from domctx_elf.registers import vcpus_in
from domctx_elf.writer import NOTES
from domctx_elf.xen_content import read_core, sections_of
from domctx_elf.xen_domain import XenCoreDomain
from domctx_elf.xen_layout import NOTES as NOTES_OF_XEN
from domctx_foreign import StoredForeign


class ElfDomain(FileDomain):
    """An opened core of a whole machine."""

    scheme = SCHEME

    def __init__(self, file: RandomFile, content: Content) -> None:
        self.location = file.name
        self._file = file
        blocks, runs = blocks_of(content.loads)
        notes = notes_in(file, content)
        self.machine = Machine(
            name="",
            architecture=content.architecture,
            hypervisor="qemu" if QEMU_NAME + b"\0" in notes else "",
            blocks=tuple(blocks),
            vcpus=tuple(range(vcpus_in(notes, content.architecture))),
        )
        states: dict[StateKey[Any], Any] = {MEMORY: CoreMemory(file, blocks, runs)}
        if notes:
            states[FOREIGN_HEAD] = StoredForeign([ForeignPart(SCHEME, NOTES, notes)])
        self.states = states

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_domain(path: str, context: FormatContext) -> Domain:
    """Open a core, an ordinary one or one of Xen's own format.

    Raises DomctxError for a file that is none, that is cut, or whose numbers are out of range.
    """
    file = RandomFile(open_at_random(path, SCHEME), path)
    try:
        with in_file(path):
            content = read_content(file)
            sections = sections_of(file, content)
            if NOTES_OF_XEN in sections:
                return XenCoreDomain(file, read_core(file, sections), context.note)
            return ElfDomain(file, content)
    except BaseException:
        file.close()
        raise
