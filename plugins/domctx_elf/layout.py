"""Octets of ELF cores: headers, notes, and the notes' contents as QEMU's ``dump-guest-memory`` has them.

Everything is little-endian. Sources: System V ABI (ELF), formats/qemu.md 6.1, formats/xen.md 7.
"""

from typing import Annotated, Final

from domctx.schema import U8, U16, U32, U64, Array, Bytes, Nested, layout
from domctx.values import frozen
from domctx_elf.names import MAGIC as MAGIC, RAW as RAW, SCHEME as SCHEME

CLASS32, CLASS64 = 1, 2
LITTLE: Final = 1
CURRENT: Final = 1
CORE: Final = 4
"""``e_type``: ET_CORE."""
EM_386, EM_X86_64 = 3, 62
PT_LOAD, PT_NOTE = 1, 4
SHT_NULL, SHT_PROGBITS, SHT_STRTAB, SHT_NOTE = 0, 1, 3, 7
MANY: Final = 0xFFFF
"""``e_phnum`` where the number does not fit: it then stands in ``sh_info`` of section 0."""
MAX_SEGMENTS: Final = 1 << 20
MAX_SECTIONS: Final = 1 << 12
MAX_NOTES: Final = 64 << 20
"""Octets of notes that are read."""

NT_PRSTATUS: Final = 1
QEMU_TYPE: Final = 0
CORE_NAME, QEMU_NAME, VMCOREINFO_NAME = b"CORE", b"QEMU", b"VMCOREINFO"


@layout(source="System V ABI: Elf64_Ehdr")
@frozen(kw_only=True)
class Header64:
    """The file header of 64-bit files."""

    magic: Annotated[bytes, Bytes(4, "7f 45 4c 46")] = MAGIC
    file_class: Annotated[int, U8("ELFCLASS64")] = CLASS64
    data: Annotated[int, U8("ELFDATA2LSB")] = LITTLE
    ident_version: Annotated[int, U8("EV_CURRENT")] = CURRENT
    padding: Annotated[bytes, Bytes(9, "OS ABI, its version, unused octets")] = bytes(9)
    type: Annotated[int, U16("ET_CORE")] = CORE
    machine: Annotated[int, U16("EM_X86_64 or EM_386")]
    version: Annotated[int, U32("EV_CURRENT")] = CURRENT
    entry: Annotated[int, U64("no core has one")] = 0
    phoff: Annotated[int, U64("where the program headers stand", unit="octets")]
    shoff: Annotated[int, U64("where the section headers stand", unit="octets")] = 0
    flags: Annotated[int, U32("none")] = 0
    ehsize: Annotated[int, U16("octets of this header; QEMU 7.2 writes 8")] = 64
    phentsize: Annotated[int, U16("octets of a program header")] = 56
    phnum: Annotated[int, U16("program headers; 0xffff: section 0 tells")]
    shentsize: Annotated[int, U16("octets of a section header")] = 64
    shnum: Annotated[int, U16("section headers")] = 0
    shstrndx: Annotated[int, U16("the section of section names")] = 0


@layout(source="System V ABI: Elf32_Ehdr")
@frozen(kw_only=True)
class Header32:
    """The file header of 32-bit files."""

    magic: Annotated[bytes, Bytes(4, "7f 45 4c 46")] = MAGIC
    file_class: Annotated[int, U8("ELFCLASS32")] = CLASS32
    data: Annotated[int, U8("ELFDATA2LSB")] = LITTLE
    ident_version: Annotated[int, U8("EV_CURRENT")] = CURRENT
    padding: Annotated[bytes, Bytes(9, "OS ABI, its version, unused octets")] = bytes(9)
    type: Annotated[int, U16("ET_CORE")] = CORE
    machine: Annotated[int, U16("EM_386")]
    version: Annotated[int, U32("EV_CURRENT")] = CURRENT
    entry: Annotated[int, U32("no core has one")] = 0
    phoff: Annotated[int, U32("where the program headers stand", unit="octets")]
    shoff: Annotated[int, U32("where the section headers stand", unit="octets")] = 0
    flags: Annotated[int, U32("none")] = 0
    ehsize: Annotated[int, U16("octets of this header")] = 52
    phentsize: Annotated[int, U16("octets of a program header")] = 32
    phnum: Annotated[int, U16("program headers; 0xffff: section 0 tells")]
    shentsize: Annotated[int, U16("octets of a section header")] = 40
    shnum: Annotated[int, U16("section headers")] = 0
    shstrndx: Annotated[int, U16("the section of section names")] = 0


@layout(source="System V ABI: Elf64_Phdr")
@frozen(kw_only=True)
class Segment64:
    """A program header of 64-bit files."""

    type: Annotated[int, U32("PT_LOAD, PT_NOTE, ...")]
    flags: Annotated[int, U32("none: who may read is not a machine's matter")] = 0
    offset: Annotated[int, U64("where the octets stand in the file", unit="octets")]
    vaddr: Annotated[int, U64("linear address; without paging the physical one")] = 0
    paddr: Annotated[int, U64("guest-physical address")] = 0
    filesz: Annotated[int, U64("octets in the file")]
    memsz: Annotated[int, U64("octets in memory; those beyond ``filesz`` are not told")]
    align: Annotated[int, U64("0: none")] = 0


@layout(source="System V ABI: Elf32_Phdr")
@frozen(kw_only=True)
class Segment32:
    """A program header of 32-bit files."""

    type: Annotated[int, U32("PT_LOAD, PT_NOTE, ...")]
    offset: Annotated[int, U32("where the octets stand in the file", unit="octets")]
    vaddr: Annotated[int, U32("linear address; without paging the physical one")] = 0
    paddr: Annotated[int, U32("guest-physical address")] = 0
    filesz: Annotated[int, U32("octets in the file")]
    memsz: Annotated[int, U32("octets in memory; those beyond ``filesz`` are not told")]
    flags: Annotated[int, U32("none")] = 0
    align: Annotated[int, U32("0: none")] = 0


@layout(source="System V ABI: Elf64_Shdr")
@frozen(kw_only=True)
class Section64:
    """A section header of 64-bit files."""

    name: Annotated[int, U32("where its name stands in the section of names")] = 0
    type: Annotated[int, U32("SHT_NULL, ...")] = SHT_NULL
    flags: Annotated[int, U64("none")] = 0
    addr: Annotated[int, U64("none")] = 0
    offset: Annotated[int, U64("where the octets stand in the file", unit="octets")] = 0
    size: Annotated[int, U64("octets; of section 0 the number of sections where ``e_shnum`` is 0")] = 0
    link: Annotated[int, U32("none")] = 0
    info: Annotated[int, U32("of section 0 the number of program headers where ``e_phnum`` is 0xffff")] = 0
    addralign: Annotated[int, U64("octets")] = 0
    entsize: Annotated[int, U64("octets of an entry")] = 0


@layout(source="System V ABI: Elf32_Shdr")
@frozen(kw_only=True)
class Section32:
    """A section header of 32-bit files."""

    name: Annotated[int, U32("where its name stands in the section of names")] = 0
    type: Annotated[int, U32("SHT_NULL, ...")] = SHT_NULL
    flags: Annotated[int, U32("none")] = 0
    addr: Annotated[int, U32("none")] = 0
    offset: Annotated[int, U32("where the octets stand in the file", unit="octets")] = 0
    size: Annotated[int, U32("octets; of section 0 the number of sections where ``e_shnum`` is 0")] = 0
    link: Annotated[int, U32("none")] = 0
    info: Annotated[int, U32("of section 0 the number of program headers where ``e_phnum`` is 0xffff")] = 0
    addralign: Annotated[int, U32("octets")] = 0
    entsize: Annotated[int, U32("octets of an entry")] = 0


@layout(source="System V ABI: Elf64_Nhdr")
@frozen
class NoteHead:
    """A note's head; name and contents follow, each padded to 4 octets."""

    name_size: Annotated[int, U32("octets of the name, its NUL included")]
    size: Annotated[int, U32("octets of the contents")]
    type: Annotated[int, U32("what it is, by its name's counting")]


@layout(source="formats/qemu.md 6.1: x86_64 prstatus")
@frozen(kw_only=True)
class Prstatus64:
    """NT_PRSTATUS of 64-bit Linux: 336 octets."""

    info: Annotated[bytes, Bytes(32, "signals, zero")] = bytes(32)
    pid: Annotated[int, U32("the vCPU's number, from 1 on")]
    times: Annotated[bytes, Bytes(76, "parents and times, zero")] = bytes(76)
    registers: Annotated[tuple[int, ...], Array(U64("a register"), 27, "in the order of PRSTATUS64")]
    rest: Annotated[bytes, Bytes(8, "no FPU registers follow")] = bytes(8)


@layout(source="formats/qemu.md 6.1: i386 prstatus")
@frozen(kw_only=True)
class Prstatus32:
    """NT_PRSTATUS of 32-bit Linux: 144 octets."""

    info: Annotated[bytes, Bytes(24, "signals, zero")] = bytes(24)
    pid: Annotated[int, U32("the vCPU's number, from 1 on")]
    times: Annotated[bytes, Bytes(44, "parents and times, zero")] = bytes(44)
    registers: Annotated[tuple[int, ...], Array(U32("a register"), 17, "in the order of PRSTATUS32")]
    rest: Annotated[bytes, Bytes(4, "no FPU registers follow")] = bytes(4)


PRSTATUS64: Final = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "rflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
)
PRSTATUS32: Final = (
    *("rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rax", "ds", "es", "fs", "gs"),
    *("orig_rax", "rip", "cs", "rflags", "rsp", "ss"),
)


@layout(source="formats/qemu.md 6.1: a segment of QEMU's note")
@frozen
class QemuSegment:
    """A segment register, GDT or IDT: 24 octets."""

    selector: Annotated[int, U32("selector")]
    limit: Annotated[int, U32("limit", unit="octets")]
    flags: Annotated[int, U32("as in a descriptor's second word")]
    padding: Annotated[int, U32("zero")]
    base: Annotated[int, U64("linear address")]


@layout(source="formats/qemu.md 6.1: QEMU note")
@frozen(kw_only=True)
class QemuCpu:
    """The contents of a note QEMU: 440 octets; older versions lack ``kernel_gs_base``."""

    version: Annotated[int, U32("1")] = 1
    size: Annotated[int, U32("octets of all")] = 440
    general: Annotated[tuple[int, ...], Array(U64("a register"), 18, "in the order of QEMU_GENERAL")]
    segments: Annotated[tuple[QemuSegment, ...], Array(Nested(QemuSegment, "a segment"), 10, "as QEMU_SEGMENTS")]
    control: Annotated[tuple[int, ...], Array(U64("a register"), 5, "CR0 to CR4; CR1 is none")]
    kernel_gs_base: Annotated[int, U64("the MSR")] = 0


OLD_QEMU_CPU: Final = 432
"""Octets of the note before it had ``kernel_gs_base``."""
QEMU_GENERAL: Final = (
    *("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp"),
    *(f"r{number}" for number in range(8, 16)),
    *("rip", "rflags"),
)
QEMU_SEGMENTS: Final = ("cs", "ds", "es", "fs", "gs", "ss", "ldt", "tr", "gdt", "idt")
