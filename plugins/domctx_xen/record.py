"""One record of a stream: where it stands, what it is called, and what tells it from others of its type."""

from __future__ import annotations

import struct
from typing import Final

from domctx.errors import StreamError
from domctx.files import CutError, StreamFile
from domctx.schema import decode, size_of
from domctx.values import frozen
from domctx_xen.layout import (
    EMPTY,
    EMULATOR_CONTEXT,
    EMULATOR_XENSTORE_DATA,
    HVM_PARAMS,
    LIBXL_EMPTY,
    MAX_BODY,
    RECORD_HEADER,
    VCPU_RECORDS,
    EmulatorHead,
    VcpuHead,
    libxc_name,
    libxl_name,
    padded,
)

HEADER: Final = struct.Struct("<II")
"""A ``layout.RecordHeader``; there may be a hundred thousand of them."""
Key = tuple[bool, int, int]
"""Whether it is libxl's, its type, and which of that type: a vCPU, an emulator, or its place among its likes."""
HEAD: Final = size_of(VcpuHead)
"""Octets of the head of a vCPU's record; of those of HVM_PARAMS and of an emulator's record just as many."""


@frozen
class Element:
    """A record as it stands in the file: ``offset`` that of its header, ``length`` that of its body."""

    libxl: bool
    type: int
    offset: int
    length: int

    @property
    def name(self) -> str:
        """How messages name it."""
        return libxl_name(self.type) if self.libxl else libxc_name(self.type)

    @property
    def body(self) -> int:
        """The offset of the body."""
        return self.offset + RECORD_HEADER

    @property
    def end(self) -> int:
        """The offset behind the padding."""
        return self.body + padded(self.length)

    @property
    def hollow(self) -> bool:
        """Whether it tells nothing: senders of old wrote such records of vCPUs and parameters (formats/xen.md 4.2)."""
        return not self.libxl and self.type in (*VCPU_RECORDS, HVM_PARAMS) and self.length == HEAD


def read_element(file: StreamFile, offset: int, *, libxl: bool) -> Element:
    """The record at ``offset``. Raises CutError where it is cut, StreamError where it is too long."""
    code, length = HEADER.unpack(file.take(offset, RECORD_HEADER, "the header of a record"))
    element = Element(libxl, code, offset, length)
    most = 0 if code in (LIBXL_EMPTY if libxl else EMPTY) else MAX_BODY
    if length > most:
        raise StreamError(
            f"a record {element.name} is too long",
            offset=offset + 4,
            expected=f"at most 0x{most:08x}",
            got=f"0x{length:08x}",
        )
    if element.end > file.size:
        raise CutError(f"the stream ends early, in a record {element.name}", offset=file.size)
    return element


def key_of(element: Element, file: StreamFile, counts: dict[tuple[bool, int], int]) -> Key:
    """What tells the record from others; ``counts`` is how many of each type came before.

    Raises StreamError where the record is too short to tell.
    """
    place = counts.get((element.libxl, element.type), 0)
    counts[element.libxl, element.type] = place + 1
    if element.hollow:
        return element.libxl, element.type, -1 - place
    if element.libxl:
        if element.type in (EMULATOR_XENSTORE_DATA, EMULATOR_CONTEXT):
            head = decode(EmulatorHead, _head(element, file))
            return True, element.type, head.emulator_id << 32 | head.index
        return True, element.type, place
    if element.type in VCPU_RECORDS:
        return False, element.type, decode(VcpuHead, _head(element, file)).vcpu_id
    return False, element.type, place


def _head(element: Element, file: StreamFile) -> bytes:
    if element.length < HEAD:
        raise StreamError(
            f"a record {element.name} is too short",
            offset=element.offset + 4,
            expected=f"at least 0x{HEAD:08x}",
            got=f"0x{element.length:08x}",
        )
    return file.take(element.body, HEAD, element.name)
