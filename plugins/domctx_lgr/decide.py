"""Which variant a file is: its content decides, and where that leaves a doubt, what is wrong with each reading.

Formats/xen.md 1.9 tells how the variants differ. Two of them can look alike at first sight: A3's first page types may
look like the count and the words of B's first batch, and the page that is A1's shared info may look like A0's frame
list. So every reading is weighed by what is wrong with the file if it is the right one, and the one wins by which
least is wrong; what is wrong then is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domctx.errors import StreamError
from domctx.files import CutError
from domctx.states import PageType
from domctx.values import frozen
from domctx_lgr.arrays import read_array
from domctx_lgr.batches import StrayError, look_batches, read_batched
from domctx_lgr.content import Content
from domctx_lgr.inflate import GzipFile
from domctx_lgr.layout import A0, A1, A2, A3, C1, C2, MAX_BATCH, PAGES, SIGNATURE, B, Header, Variant, array_size
from domctx_x86 import PAGE_SHIFT

if TYPE_CHECKING:
    from domctx_lgr.files import PlainFile

CUT: Final = 2
"""The file ends before the record does."""
GOES_ON: Final = 2
"""The file goes on behind the record."""
WRONG_PLACE: Final = 2
"""A live save's first count does not stand where it should, or stands where other variants have nothing."""
DAMAGED: Final = 3
"""A number behind the first batch is out of range."""
NO_DIRECTORY: Final = 4
"""The page-table base names a page that is no L2 table."""
REFUSED: Final = 5
"""A number before the pages is out of range."""
ONE_NUMBER: Final = 3
"""The same, but the file has the size that it should have."""
STRAY: Final = 6
"""Page types whose first may be a count, read as batches, make no sense."""


@frozen
class Reading:
    """One way to read a file: as one of ``variants``, which differ in nothing that shows at the beginning."""

    variants: tuple[Variant, ...]

    @property
    def batched(self) -> bool:
        """Whether the whole file must be walked before its page types are known."""
        return self.variants[0].batched

    def look(self, octets: PlainFile | GzipFile, header: Header) -> Content | None:
        """The record, where its beginning tells all but the pages. Raises StreamError where it cannot be this."""
        if not self.batched:
            return read_array(octets, header, self.variants[0])
        look_batches(octets, header, self.variants)
        return None

    def read(self, octets: PlainFile | GzipFile, header: Header) -> Content:
        """The record. Raises StreamError."""
        return self.look(octets, header) or read_batched(octets, header, self.variants)


LIVE: Final = Reading((C1, C2))


def readings(header: Header, *, gzip: bool) -> tuple[Reading, ...]:
    """What a file with this header can be, likeliest first."""
    if header.signature == SIGNATURE:
        return Reading((A3,)), Reading((B,)), LIVE
    return Reading((A2 if gzip else A1,)), Reading((A0,))


@frozen
class Weighed:
    """A reading, how much is wrong with the file by it, and the record or the error that it gives."""

    reading: Reading
    wrong: int
    content: Content | None = None
    error: StreamError | None = None


def decide(octets: PlainFile | GzipFile, header: Header) -> tuple[Reading, Content | None]:
    """The way to read a file, and the record where it was read for that. Raises StreamError where there is none.

    Of a gzip file whose pages come in batches only the beginning is read, unless there is a doubt.
    """
    gzip = isinstance(octets, GzipFile)
    looked = [_look(octets, header, reading) for reading in readings(header, gzip=gzip)]
    possible = [one for one in looked if one.error is None]
    for one in possible:
        if gzip and one.reading.batched and all(other.wrong >= REFUSED for other in looked if other is not one):
            return one.reading, None
    best = min((_weigh(octets, header, one, doubt=len(possible) > 1) for one in looked), key=lambda one: one.wrong)
    if best.error is not None:
        raise best.error
    return best.reading, best.content


def _look(octets: PlainFile | GzipFile, header: Header, reading: Reading) -> Weighed:
    wrong = WRONG_PLACE if (reading is LIVE) != _looks_live(octets, header) else 0
    try:
        content = reading.look(octets, header)
    except CutError as error:
        return Weighed(reading, wrong + CUT, error=error)
    except StreamError as error:
        fits = not reading.batched and _fits(octets, array_size(reading.variants[0], header.nr_pfns))
        return Weighed(reading, wrong + (ONE_NUMBER if fits else REFUSED), error=error)
    return Weighed(reading, wrong + _without_directory(content), content)


def _weigh(octets: PlainFile | GzipFile, header: Header, looked: Weighed, *, doubt: bool) -> Weighed:
    """Read on where the beginning did not tell all, and see where the file ends."""
    if looked.error is not None:
        return looked
    reading, wrong, content = looked.reading, looked.wrong, looked.content
    if content is None:
        try:
            content = reading.read(octets, header)
        except CutError as error:
            return Weighed(reading, wrong + CUT, error=error)
        except StrayError as error:
            return Weighed(reading, wrong + (STRAY if doubt and reading is not LIVE else DAMAGED), error=error)
        except StreamError as error:
            return Weighed(reading, wrong + DAMAGED, error=error)
        wrong += _without_directory(content)
    size = _size(octets, content.end, doubt=doubt)
    if content.end > size:
        return Weighed(reading, wrong + CUT, error=CutError("the file ends early, in its pages", offset=size))
    return Weighed(reading, wrong + (GOES_ON if content.end < size else 0), content)


def _without_directory(content: Content | None) -> int:
    if content is None or content.types[content.context.pt_base >> PAGE_SHIFT] == PageType.L2TAB:
        return 0
    return NO_DIRECTORY


def _fits(octets: PlainFile | GzipFile, end: int) -> bool:
    """Whether the file has this size, as far as can be told without inflating it."""
    return octets.promised() == end & 0xFFFF_FFFF if isinstance(octets, GzipFile) else octets.length() == end


def _size(octets: PlainFile | GzipFile, end: int, *, doubt: bool) -> int:
    """The size of the file; a gzip file is inflated for that only where there is a doubt."""
    if isinstance(octets, GzipFile) and (not doubt or _fits(octets, end)):
        return end
    return octets.length()


def _looks_live(octets: PlainFile | GzipFile, header: Header) -> bool:
    at = LIVE.variants[0].offset(PAGES)
    return header.signature == SIGNATURE and 0 < int.from_bytes(octets.read(at, 4), "little") <= MAX_BATCH
