"""Small Xen streams of every kind, written from formats/xen.md 2 to 5 and independently of the product's writer.

A ``Made`` stream also tells what stands where: ``spans`` name each stretch of it as ``domctx verify`` names the parts
that no check covers; "" is what must be found to be wrong whatever bit of it is flipped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from helpers.xen_bits import (
    BASIC as BASIC,
    CONFIG as CONFIG,
    CONTENTS as CONTENTS,
    CONTENTS_PV as CONTENTS_PV,
    CONTEXT as CONTEXT,
    CPUID as CPUID,
    DOMAIN as DOMAIN,
    EMULATOR as EMULATOR,
    EXTENDED as EXTENDED,
    MSR as MSR,
    MSRS as MSRS,
    NUMBERS as NUMBERS,
    OPTIONAL as OPTIONAL,
    P2M_PART as P2M_PART,
    PAGE as PAGE,
    PARAMS as PARAMS,
    SAVER as SAVER,
    SHARED as SHARED,
    TSC as TSC,
    UUID as UUID,
    XENSTORE as XENSTORE,
    XSAVE as XSAVE,
    Bit as Bit,
    Bits as Bits,
    Made as Made,
    config as config,
    entry as entry,
    headers as headers,
    libxl_header as libxl_header,
    made as made,
    page as page,
    page_data as page_data,
    pte as pte,
    record as record,
    table as table,
    xl_header as xl_header,
)

PAGES = 16
"""Pages of the paravirtualised guests."""
ROOT, USER, START_INFO, GDT, P2M = 1, 9, 11, 12, 10
"""What some of their pages are."""


def p2m_frames(last: int = PAGES - 1, frames: Iterable[int] = (P2M,), first: int = 0) -> Bits:
    """X86_PV_P2M_FRAMES."""
    body = struct.pack("<II", first, last) + b"".join(struct.pack("<Q", frame) for frame in frames)
    return record(3, Bit(body, P2M_PART))


def context64(
    cr3: int = ROOT, user: int | None = USER, start_info: int = START_INFO, gdt: Sequence[int] = (GDT,)
) -> bytes:
    """vcpu_guest_context of a 64-bit guest (4.6)."""
    octets = bytearray(5168)
    octets[:8] = b"\x7f\x03" + bytes(6)
    struct.pack_into("<Q", octets, 512, 0x25)
    struct.pack_into("<Q", octets, 520 + 96, start_info)
    struct.pack_into("<Q", octets, 520 + 128, 0xFFFF_FFFF_8100_0000)
    for index, frame in enumerate(gdt):
        struct.pack_into("<Q", octets, 4832 + 8 * index, frame)
    struct.pack_into("<Q", octets, 4960, 512 * len(gdt))
    struct.pack_into("<4Q", octets, 4984, 0x80050033, 0 if user is None else user << 12 | 1, 0, cr3 << 12)
    return bytes(octets)


def context32(cr3: int = ROOT, start_info: int = START_INFO, gdt: Sequence[int] = (GDT,)) -> bytes:
    """vcpu_guest_context of a 32-bit guest (4.6), its CR3 folded (4.5)."""
    octets = bytearray(2800)
    struct.pack_into("<I", octets, 512, 0x25)
    struct.pack_into("<I", octets, 516 + 8, start_info)
    struct.pack_into("<I", octets, 516 + 32, 0xC010_0000)
    for index, frame in enumerate(gdt):
        struct.pack_into("<I", octets, 2640 + 4 * index, frame)
    struct.pack_into("<I", octets, 2704, 512 * len(gdt))
    struct.pack_into("<4I", octets, 2716, 0x80050033, 0, 0, (cr3 << 12 | cr3 >> 20) & 0xFFFF_FFFF)
    return bytes(octets)


def vcpu(type: int, identity: int, octets: bytes) -> Bits:
    """A record about a vCPU."""
    part = {4: BASIC, 5: EXTENDED, 6: XSAVE, 12: MSRS}[type]
    return record(type, struct.pack("<II", identity, 0), Bit(octets, part))


def vcpus(width: int, count: int = 1) -> list[Bits]:
    """All records of so many vCPUs."""
    found = []
    for identity in range(count):
        basic = context64() if width == 8 else context32()
        found += [
            vcpu(4, identity, basic),
            vcpu(5, identity, bytes(range(64))),
            vcpu(6, identity, struct.pack("<QQ", 7, 7) + page(identity)[:576]),
            vcpu(12, identity, struct.pack("<IIQ", 0xC0000103, 0, 5)),
        ]
    return found


def tsc(mode: int = 1, khz: int = 2_500_000, nsec: int = 123_456_789_012, incarnation: int = 1) -> Bits:
    """X86_TSC_INFO."""
    return record(8, Bit(struct.pack("<IIQI", mode, khz, nsec, incarnation), TSC), bytes(4))


def shared_info() -> Bits:
    """SHARED_INFO."""
    return record(7, Bit(page(99), SHARED))


def policies() -> list[Bits]:
    """CPUID and MSR policy."""
    leaf = struct.pack("<6I", 0, 0xFFFF_FFFF, 13, 1, 2, 3) + struct.pack("<6I", 1, 0xFFFF_FFFF, 4, 5, 6, 7)
    return [record(0x11, Bit(leaf, CPUID)), record(0x12, Bit(struct.pack("<IIQ", 0xCE, 0, 1 << 31), MSR))]


def tables(width: int) -> dict[int, tuple[int, bytes]]:
    """The page tables of a guest by PFN: (type, octets)."""
    if width == 8:
        leaf = table({index: pte(pfn) for index, pfn in enumerate((0, 5, 6, 7, 8))} | {16: pte(4, 0x025)})
        return {
            1: (0xC, table({511: pte(2)})),
            2: (0x3, table({510: pte(3)})),
            3: (0xA, table({8: pte(4)})),
            4: (0x9, leaf),
            USER: (0xC, table({0: pte(2)})),
        }
    leaf = table({index: pte(pfn) for index, pfn in enumerate((0, 5, 6, 7, 8))} | {16: pte(3, 0x025)})
    return {1: (0xB, table({3: pte(2, 0x001)})), 2: (0x2, table({0: pte(3)})), 3: (0x1, leaf)}


def memory(width: int, *, without: Sequence[int] = (13, 14, 15)) -> Bits:
    """All pages of a guest in one record: 13 is XTAB, 14 XALLOC, 15 BROKEN."""
    kinds = dict(zip(without, (0xF, 0xE, 0xD), strict=False))
    found: list[tuple[int, bytes | None]] = []
    known = tables(width)
    for pfn in range(PAGES):
        if pfn in kinds:
            found.append((entry(pfn, kinds[pfn]), None))
        else:
            kind, octets = known.get(pfn, (0, page(pfn) if pfn else bytes(PAGE)))
            found.append((entry(pfn, kind), octets))
    return page_data(*found, contents=CONTENTS_PV)


def pv_info(width: int = 8) -> Bits:
    """X86_PV_INFO."""
    return record(2, struct.pack("<BB6x", width, 4 if width == 8 else 3))


END = record(0)
STATIC_END = record(0x10)


def pv_head(width: int = 8, version: int = 3) -> list[Bits]:
    """A paravirtualised guest's stream up to its pages."""
    static = [*policies(), STATIC_END] if version >= 3 else []
    return [headers(1, version), pv_info(width), *static, p2m_frames()]


def pv(width: int = 8, version: int = 3, count: int = 1) -> list[Bits]:
    """A whole libxc stream of a paravirtualised guest."""
    middle = [tsc(), shared_info()] if version < 4 else [domain_context(width)]
    return [*pv_head(width, version), memory(width), *middle, *vcpus(width, count), END]


def domain_context(width: int = 8, *, posted: bool = False, minor: int = 15) -> Bits:
    """DOMAIN_CONTEXT: a v10 image (2.1) of START, SHARED_INFO, TSC_INFO and END."""

    def item(type: int, body: bytes) -> bytes:
        return struct.pack("<IIQ", type, 0, len(body)) + body + bytes(-len(body) % 8)

    shared = struct.pack("<I", width == 4) + page(99)[: 3136 if width == 8 else 2344]
    time = struct.pack("<IIQI", 1, 2_500_000, 123_456_789_012, 1) + bytes(4 if posted else 0)
    image = item(1, struct.pack("<II", 4, minor)) + item(2, shared) + item(3, time) + item(0, b"")
    return record(0x13, Bit(image, DOMAIN))


def hvm_context(count: int = 1) -> bytes:
    """An HVM context (3.1): HEADER, a CPU for each vCPU, END."""

    def item(type: int, instance: int, body: bytes) -> bytes:
        return struct.pack("<HHI", type, instance, len(body)) + body

    header = struct.pack("<IIQII", 0x54381286, 1, 0xFFFF_FFFF_FFFF_FFFF, 0x663, 2_500_000)
    body = bytes(656) + struct.pack("<Q", 0x10) + bytes(360) + struct.pack("<II", 1, 0)  # cr0: ET, which is always set
    cpus = b"".join(item(2, index, body) for index in range(count))
    return item(1, 0, header) + cpus + item(0, 0, b"")


def hvm_params(pairs: Sequence[tuple[int, int]] = ((1, 0xFEFFC), (17, 0xFEFFF))) -> Bits:
    """HVM_PARAMS."""
    body = b"".join(struct.pack("<QQ", *pair) for pair in pairs)
    return record(0x0A, struct.pack("<II", len(pairs), 0), Bit(body, PARAMS))


def hvm_pages() -> Bits:
    """Some pages of an HVM guest, with a hole."""
    return page_data(
        (entry(0), page(1)), (entry(1), bytes(PAGE)), (entry(2, 0xF), None), (entry(3, 0xE), None), (entry(4), page(4))
    )


def hvm(version: int = 3, *, saver_order: bool = True) -> list[Bits]:
    """A whole libxc stream of an HVM guest; savers write HVM_CONTEXT first, the specification HVM_PARAMS."""
    static = [*policies(), STATIC_END] if version >= 3 else []
    context = record(9, Bit(hvm_context(), CONTEXT))
    both = [context, hvm_params()] if saver_order else [hvm_params(), context]
    clock = [tsc()] if version < 4 else [domain_context()]
    return [headers(2, version), *static, hvm_pages(), *clock, *both, END]


LIBXC_CONTEXT = record(1)


def emulator_context(octets: bytes = b"QEVM" + bytes(5)) -> Bits:
    """libxl's EMULATOR_CONTEXT."""
    return record(3, Bit(struct.pack("<II", 2, 0) + octets, EMULATOR))


def xenstore_data(octets: bytes = b"parameter/x\0y\0") -> Bits:
    """libxl's EMULATOR_XENSTORE_DATA."""
    return record(2, Bit(struct.pack("<II", 2, 0) + octets, XENSTORE))


def libxl(stream: Sequence[Bits], *behind: Bits) -> list[Bits]:
    """A libxl stream around a libxc stream."""
    return [libxl_header(), LIBXC_CONTEXT, *stream, *behind, END]


def xl(stream: Sequence[Bits], *behind: Bits, settings: bytes | None = None) -> list[Bits]:
    """A file of xl around a libxc stream."""
    return [xl_header(config() if settings is None else settings), *libxl(stream, *behind)]


def remus(rounds: int = 3) -> list[Bits]:
    """A checkpointed stream of an HVM guest in a file of xl; round n writes ``page(100 + n)`` to page 0."""
    found = [xl_header(config()), libxl_header(), LIBXC_CONTEXT, headers(2), *policies(), STATIC_END, hvm_pages()]
    for number in range(rounds):
        if number:
            found.append(page_data((entry(0), page(100 + number))))
        found += [tsc(nsec=number), record(9, Bit(hvm_context(), CONTEXT)), hvm_params(), record(0x0E)]
        found += [emulator_context(b"QEVM" + bytes([number])), record(4)]
    return found


KINDS: dict[str, list[Bits]] = {
    "pv64": pv(),
    "pv32": pv(4),
    "pv64-v2": pv(version=2),
    "pv64-v4": pv(version=4),
    "pv32-v4": pv(4, version=4),
    "pv64-2-vcpus": pv(count=2),
    "hvm": hvm(),
    "hvm-spec-order": hvm(saver_order=False),
    "hvm-v2": hvm(2),
    "libxl-pv64": libxl(pv()),
    "libxl-hvm": libxl(hvm(), xenstore_data(), emulator_context()),
    "xl-pv32": xl(pv(4)),
    "xl-hvm": xl(hvm(), xenstore_data(), emulator_context()),
    "xl-without-configuration": xl(pv(), settings=b""),
    "optional": [*pv_head(), record(OPTIONAL | 0x42, b"abc"), memory(8), tsc(), shared_info(), *vcpus(8), END],
}
"""Streams without repeats, by name."""
