"""What a migration stream of version 3 is made of (formats/qemu.md 1 and 2). All integers are big-endian.

stream   u32 magic, u32 version, [CONFIGURATION], elements, EOF, [VMDESCRIPTION]
element  one octet that says what follows; sections name themselves, and carry an id
"""

from __future__ import annotations

import enum
import struct
from typing import Final

SCHEME: Final = "qemu"
MAGIC: Final = b"QEVM"
VERSION: Final = 3
COMPAT_VERSION: Final = 2
"""Before 2009: no sections; QEMU itself refuses it."""
HEADER_SIZE: Final = 8

QCOW2_MAGIC: Final = b"QFI\xfb"
"""Begins a qcow2 image, which may hold streams as snapshots (formats/qemu.md 7)."""

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 1 << PAGE_SHIFT
"""Octets of a page of every x86 target; flags stand in the bits below it."""


class Element(enum.IntEnum):
    """The octet that begins an element (formats/qemu.md 1.1)."""

    EOF = 0x00
    SECTION_START = 0x01
    SECTION_PART = 0x02
    SECTION_END = 0x03
    SECTION_FULL = 0x04
    SUBSECTION = 0x05
    VMDESCRIPTION = 0x06
    CONFIGURATION = 0x07
    COMMAND = 0x08
    FOOTER = 0x7E


FOLLOWING: Final = bytes((0x00, 0x01, 0x02, 0x03, 0x04, 0x08))
"""What may stand behind a section."""


class Command(enum.IntEnum):
    """The commands (formats/qemu.md 1.7)."""

    OPEN_RETURN_PATH = 1
    PING = 2
    POSTCOPY_ADVISE = 3
    POSTCOPY_LISTEN = 4
    POSTCOPY_RUN = 5
    POSTCOPY_RAM_DISCARD = 6
    PACKAGED = 7
    ENABLE_COLO = 8
    POSTCOPY_RESUME = 9
    RECV_BITMAP = 10
    SWITCHOVER_START = 11


SHAPE: Final = struct.Struct(">BII")
"""How an image keeps a part of a section other than RAM: its element, the section's id, the octets of its payload."""

PACKAGED_SIZE: Final = 4
"""Octets of the body of PACKAGED; the package itself is elements like any other, and follows."""


class Flag(enum.IntFlag):
    """The low bits of a word of the RAM section (formats/qemu.md 2.1)."""

    FULL = 0x001
    ZERO = 0x002
    MEM_SIZE = 0x004
    PAGE = 0x008
    EOS = 0x010
    CONTINUE = 0x020
    XBZRLE = 0x040
    HOOK = 0x080
    COMPRESS_PAGE = 0x100
    MULTIFD_FLUSH = 0x200


RAM: Final = "ram"
RAM_FLAT: Final = 3
"""The RAM section's version without a block list: one flat space (formats/qemu.md 2.5)."""
RAM_BLOCKS: Final = 4
"""The RAM section's version with a block list."""

COMPRESSED_LIMIT: Final = 4110
"""compressBound(4096): octets of the longest compressed page."""
XBZRLE_MARK: Final = 0x01

IGNORE_SHARED: Final = "x-ignore-shared"
MAPPED_RAM: Final = "mapped-ram"

MAX_BLOCKS: Final = 4096
"""RAM blocks that a stream lists at most."""
MAX_RAM: Final = 1 << 46
"""Octets of RAM that are believed: 64 TiB."""
MAX_SECTIONS: Final = 1 << 16
"""Device sections that a stream has at most."""
MAX_PARTS: Final = 1 << 21
"""Parts of a section other than RAM; dirty bitmaps make tens of thousands in a second."""
MAX_SETUP: Final = 16 << 20
"""Octets that all sections other than RAM begin with."""
MAX_SECTION: Final = 48 << 20
"""Octets of the largest device section that a DEVICE record holds together with its description."""
MAX_NAME: Final = 1024
"""Octets of a machine's name."""
MAX_VMDESC: Final = 16 << 20
"""Octets of a description of the devices; QEMU writes 15 to 110 thousand."""
