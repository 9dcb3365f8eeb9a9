"""How long the sections are that streams of every age have, for streams that do not say it (formats/qemu.md 3, 4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from domctx.errors import RecordError, UnsupportedError
from domctx_qemu.known import KNOWN
from domctx_qemu_stream import vmdesc
from domctx_qemu_stream.cpu import CPU, length_of
from domctx_qemu_stream.files import StreamFile
from domctx_x86.vcpu import NARROW, WIDE

LONGEST: Final = 16 << 10
"""Octets of the longest section ``cpu``, and more."""


def known_sizes(file: StreamFile, name: str, version: int, start: int) -> Iterator[int]:
    """The lengths that a section may have, without subsections; none where nothing is known of it."""
    description = KNOWN.get((name, version))
    size = vmdesc.size_of(description) if description is not None else None
    if size is not None:
        yield size
    if name == CPU:
        octets = file.read(start, LONGEST)
        for architecture in (WIDE, NARROW):
            try:
                yield length_of(octets, version, architecture)
            except (RecordError, UnsupportedError):
                continue
