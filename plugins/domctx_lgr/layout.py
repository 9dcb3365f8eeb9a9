"""Octets of a LinuxGuestRecord: its variants, the order of their blocks, the words of their batches.

Everything is little-endian, ``unsigned long`` has four octets, and nothing is padded. Source: formats/xen.md 1.2, 1.3
and 1.9, which name the commits of Xen that wrote each variant.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from domctx.schema import U32, Bytes, layout
from domctx.values import frozen
from domctx_cpu.layout import CONTEXT_SIZE
from domctx_lgr.names import (
    GZIP_MAGIC as GZIP_MAGIC,
    OLD_SIGNATURE as OLD_SIGNATURE,
    SCHEME as SCHEME,
    SIGNATURE as SIGNATURE,
)
from domctx_x86 import PAGE_SIZE

ABI: Final = "xen-2004-i386"
"""The ABI of vCPU context and shared info; what Xen calls itself in ``Machine.hypervisor`` is ``xen-2004``."""

NAME_SIZE: Final = 16
"""Octets of the name, NUL-padded; a name of 16 characters has no NUL."""
MAX_PFNS: Final = 1 << 20
MAX_TYPE: Final = 4
"""The highest page type that a saver of the time knew: L4TAB."""
MAX_BATCH: Final = 1024
"""Pages that one batch lists."""
WORDS: Final = PAGE_SIZE // 4
"""Words of a page; also the PFNs whose P2M entries fit one frame."""
RESEND_MARKER: Final = 0xFFFF_FFFF
"""A count of -1: what follows is sent again for debugging (variants C, from 2004-05-18)."""


@layout(source="formats/xen.md 1.3")
@frozen
class Header:
    """What every variant begins with."""

    signature: Annotated[bytes, Bytes(16, "LinuxGuestRecord or XenoLinuxSuspend, no NUL")]
    name: Annotated[bytes, Bytes(NAME_SIZE, "the domain's name, NUL-padded")]
    nr_pfns: Annotated[int, U32("N, pages of the domain; 1 .. 1048576", unit="pages")]


HEADER_SIZE: Final = 36

CONTEXT: Final = "context"
SHARED_INFO: Final = "shared_info"
FRAME_LIST: Final = "frame_list"
PAGES: Final = "pages"
BLOCK_SIZES: Final = ((CONTEXT, CONTEXT_SIZE), (SHARED_INFO, PAGE_SIZE), (FRAME_LIST, PAGE_SIZE))


@frozen
class Variant:
    """One variant: its name, its signature and the order of its blocks behind the header.

    ``batched`` pages come in batches of words ``type << shift | pfn``; others as one array of types and one of pages.
    ``carrying`` are the top four bits of words with a page behind the batch, ``listed`` those of words without.
    """

    name: str
    signature: bytes
    blocks: tuple[str, ...]
    batched: bool = False
    shift: int = 0
    carrying: frozenset[int] = frozenset()
    listed: frozenset[int] = frozenset()

    def offset(self, block: str) -> int:
        """Where a block begins that stands before the pages, or the pages themselves."""
        before = self.blocks[: self.blocks.index(block)]
        return HEADER_SIZE + sum(size for name, size in BLOCK_SIZES if name in before)

    def type_of(self, nibble: int) -> int:
        """The page type that the top four bits of a word tell."""
        return nibble << 28 >> self.shift


_BEFORE: Final = (CONTEXT, SHARED_INFO, FRAME_LIST, PAGES)
_AFTER: Final = (FRAME_LIST, PAGES, CONTEXT, SHARED_INFO)
_THREE_BITS: Final = frozenset(type_ << 1 for type_ in range(MAX_TYPE + 1))
_FOUR_BITS: Final = frozenset(range(MAX_TYPE + 1))

A0: Final = Variant("A0", OLD_SIGNATURE, (CONTEXT, FRAME_LIST, PAGES))
A1: Final = Variant("A1", OLD_SIGNATURE, _BEFORE)
A2: Final = Variant("A2", OLD_SIGNATURE, _BEFORE)
"""As A1; what tells it from A1 is that its file is gzip."""
A3: Final = Variant("A3", SIGNATURE, _BEFORE)
B: Final = Variant("B", SIGNATURE, _BEFORE, batched=True, shift=29, carrying=_THREE_BITS)
C1: Final = Variant("C1", SIGNATURE, _AFTER, batched=True, shift=29, carrying=_THREE_BITS, listed=frozenset({0xE, 0xF}))
C2: Final = Variant("C2", SIGNATURE, _AFTER, batched=True, shift=28, carrying=_FOUR_BITS, listed=frozenset({0xF}))

LAST_CARRYING: Final = 8
"""Top four bits up to this have a page behind the batch in every variant that knows them; higher ones have none."""


def array_size(variant: Variant, pfns: int) -> int:
    """Octets of a whole file of a variant that is not batched: 10744 + 4100 N, without shared info 4096 fewer."""
    return variant.offset(PAGES) + pfns * (4 + PAGE_SIZE)


def frame_groups(pfns: int) -> int:
    """Entries of the frame list that are used: one for each 1024 PFNs."""
    return -(-pfns // WORDS)


def names(variants: Sequence[Variant]) -> str:
    """Variants as a message names them: ``C1 or C2``."""
    return " or ".join(variant.name for variant in variants)
