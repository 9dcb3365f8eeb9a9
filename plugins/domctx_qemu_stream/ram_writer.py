"""Writes the RAM section: the list of blocks, one part with all pages, an empty end (formats/qemu.md 2.1, 2.2)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from domctx.api import RamBlock, Sink
from domctx.errors import DomainError
from domctx.states import PageBatch, PageKind
from domctx_qemu_stream import ends
from domctx_qemu_stream.heads import Head
from domctx_qemu_stream.layout import MAX_BLOCKS, MAX_RAM, PAGE_SHIFT, PAGE_SIZE, RAM_BLOCKS, RAM_FLAT, Element, Flag
from domctx_qemu_stream.records import Records

EOS: Final = int(Flag.EOS).to_bytes(8, "big")
"""The word that ends the payload of each element of the section."""
MAX_BLOCK_NAME: Final = 255


class RamWriter:
    """Writes one RAM section. ``shared`` names the blocks that are left out; ``addresses`` are those of all, or none.

    Raises DomainError for blocks that no stream can list.
    """

    def __init__(
        self,
        sink: Sink,
        head: Head,
        blocks: Sequence[RamBlock],
        *,
        footers: bool,
        shared: Collection[str] = (),
        addresses: Sequence[int] = (),
    ) -> None:
        self._sink, self._head, self._blocks = sink, head, tuple(blocks)
        self._footer = ends.footer(head.identity) if footers else b""
        self._flat = head.version == RAM_FLAT
        self._shared, self._addresses = shared, addresses
        self._check()
        self._records = Records([block.name for block in blocks], flat=self._flat)
        self._open = False

    def _check(self) -> None:
        if self._head.version not in (RAM_FLAT, RAM_BLOCKS):
            expected = f"0x{RAM_FLAT:08x} or 0x{RAM_BLOCKS:08x}"
            raise DomainError("the RAM section has an unknown version", expected=expected, got=self._head.version)
        if len(self._blocks) > (1 if self._flat else MAX_BLOCKS) or sum(b.size for b in self._blocks) > MAX_RAM:
            raise DomainError("the RAM has more blocks, or is larger, than a stream can list")
        if self._shared and len(self._addresses) != len(self._blocks):
            raise DomainError(
                f"RAM block {min(self._shared)!r} is absent, and nothing tells where its region stands",
                hint="give its file with -O ram-file=BLOCK=PATH when the stream is opened",
            )
        for block in self._blocks:
            if block.page_shift != PAGE_SHIFT or block.size % PAGE_SIZE or not block.size:
                got = f"0x{block.size:x} octets, pages of 0x{1 << block.page_shift:x}"
                raise DomainError(f"RAM block {block.name!r} has no whole pages of 0x{PAGE_SIZE:x} octets", got=got)
            if not 0 < len(block.name) <= MAX_BLOCK_NAME or max(block.name) > "\xff":
                raise DomainError(f"RAM block {block.name[:MAX_BLOCK_NAME]!r} has a name that no stream can hold")

    def begin(self) -> None:
        """The section's start, with the list of blocks."""
        total = sum(block.size for block in self._blocks) | int(Flag.MEM_SIZE)
        octets = total.to_bytes(8, "big")
        for index, block in enumerate(() if self._flat else self._blocks):
            octets += bytes((len(block.name),)) + block.name.encode("latin-1") + block.size.to_bytes(8, "big")
            if self._shared:
                octets += self._addresses[index].to_bytes(8, "big")
        self._sink.write(self._head.octets + octets + EOS + self._footer)

    def pages(self, batch: PageBatch) -> None:
        """Write a batch. Raises DomainError for pages outside of their block, or absent where they should not be."""
        self._check_batch(batch)
        if not self._open:
            self._sink.write(self._element(Element.SECTION_PART))
            self._open = True
        for octets in self._records.pieces(batch):
            self._sink.write(octets)

    def _check_batch(self, batch: PageBatch) -> None:
        if not 0 <= batch.block < len(self._blocks):
            raise DomainError("there is no such RAM block", expected=f"below {len(self._blocks)}", got=batch.block)
        block = self._blocks[batch.block]
        if batch.first < 0 or batch.first + batch.count > block.pages:
            got = f"0x{batch.first:x} + 0x{batch.count:x}"
            raise DomainError(
                f"pages outside of RAM block {block.name!r}", expected=f"below 0x{block.pages:x}", got=got
            )
        absent = batch.kinds == PageKind.ABSENT
        wrong = ~absent if block.name in self._shared else absent
        if wrong.any():
            page = batch.first + int(np.argmax(wrong))
            state = "has contents, while others of its block are absent" if block.name in self._shared else "is absent"
            raise DomainError(
                f"page 0x{page:x} of RAM block {block.name!r} {state}: QEMU's RAM is whole, or is left out by block",
                hint="give the block's file with -O ram-file=BLOCK=PATH when the stream is opened",
            )

    def pause(self) -> None:
        """End the part that is open, so that another section can follow."""
        if self._open:
            self._sink.write(EOS + self._footer)
            self._open = False

    def end(self) -> None:
        """The section's end."""
        self.pause()
        self._sink.write(self._element(Element.SECTION_END) + EOS + self._footer)

    def _element(self, kind: Element) -> bytes:
        return bytes((kind,)) + self._head.identity.to_bytes(4, "big")
