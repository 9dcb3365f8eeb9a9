"""Which variant a file is: its content decides, and where that leaves a doubt, what follows from each reading.

Formats/xen.md 1.9 tells how the variants differ. Two of them can look alike at first sight: A3's first page types may
look like the count and the words of B's first batch, and the page that is A1's shared info may look like A0's frame
list. Then each is read on, and the reading wins that makes an L2 table of the page directory, and then the one that
ends where the file ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from domctx.errors import StreamError
from domctx.states import PageType
from domctx_lgr.arrays import read_array
from domctx_lgr.batches import look_batches, read_batched
from domctx_lgr.content import Content, CutError
from domctx_lgr.layout import A0, A1, A2, A3, C1, C2, SIGNATURE, B, Header, Variant
from domctx_x86 import PAGE_SHIFT

if TYPE_CHECKING:
    from domctx_lgr.files import Octets


@attrs.frozen
class Reading:
    """One way to read a file: as one of ``variants``, which differ in nothing that shows at the beginning."""

    variants: tuple[Variant, ...]

    @property
    def batched(self) -> bool:
        """Whether the whole file must be walked before its page types are known."""
        return self.variants[0].batched

    def look(self, octets: Octets, header: Header) -> None:
        """Raise StreamError where the beginning cannot be of these variants."""
        if self.batched:
            look_batches(octets, header, self.variants)
        else:
            read_array(octets, header, self.variants[0])

    def read(self, octets: Octets, header: Header) -> Content:
        """The record. Raises StreamError."""
        if self.batched:
            return read_batched(octets, header, self.variants)
        return read_array(octets, header, self.variants[0])


def readings(header: Header, *, gzip: bool) -> tuple[Reading, ...]:
    """What a file with this header can be, likeliest first."""
    if header.signature == SIGNATURE:
        return Reading((A3,)), Reading((B,)), Reading((C1, C2))
    return Reading((A2 if gzip else A1,)), Reading((A0,))


def decide(octets: Octets, header: Header, *, gzip: bool) -> Reading:
    """The way to read a file. Raises StreamError, that of the reading that got furthest, where there is none."""
    possible: list[Reading] = []
    refusals: list[StreamError] = []
    for reading in readings(header, gzip=gzip):
        try:
            reading.look(octets, header)
        except StreamError as error:
            refusals.append(error)
        else:
            possible.append(reading)
    if not possible:
        raise max(refusals, key=lambda error: error.offset or 0)
    return possible[0] if len(possible) == 1 else _weigh(octets, header, possible)


def _weigh(octets: Octets, header: Header, possible: Sequence[Reading]) -> Reading:
    scores = [_score(octets, header, reading) for reading in possible]
    return possible[scores.index(max(scores))]


def _score(octets: Octets, header: Header, reading: Reading) -> tuple[int, int]:
    """How well a reading fits: what the page directory is (unknown where the file is cut), and where the file ends."""
    try:
        content = reading.read(octets, header)
    except CutError:
        return 1, 0
    except StreamError:
        return -1, 0
    directory = content.types[content.context.pt_base >> PAGE_SHIFT]
    return (2 if directory == PageType.L2TAB else 0), int(content.end == octets.size())
