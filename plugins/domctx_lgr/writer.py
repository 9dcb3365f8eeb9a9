"""Writes any domain that can be one as a LinuxGuestRecord, A3 or B."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from domctx.api import Buffer, Domain, FormatContext, Sink
from domctx.errors import DomainError
from domctx.states import FOREIGN_TAIL, MEMORY, PageBatch, PageKind
from domctx_lgr.compose import Outgoing, compose
from domctx_lgr.deflate import GzipSink
from domctx_lgr.layout import MAX_BATCH, SCHEME
from domctx_lgr.tail import BEHIND, BEHIND_GZIP
from domctx_x86 import PAGE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

WRITTEN: Final = (PageKind.DATA, PageKind.ZERO, PageKind.FILL)
TYPE_SHIFT: Final = 29


def write(source: Domain, sink: Sink, context: FormatContext) -> None:
    """Pull ``source`` into ``sink``: header and states, page types, pages in order of their PFNs.

    Options: ``variant`` A3 or B, ``gzip``, ``name``. Raises DomainError for what the format cannot hold, naming it.
    """
    outgoing = compose(source, context)
    if not context.option("gzip"):
        _write(source, outgoing, sink, context)
        return
    zipped = GzipSink(sink)
    _write(source, outgoing, zipped, context)
    zipped.close()
    for octets in _tail(source, BEHIND_GZIP):
        sink.write(octets)


def _write(source: Domain, outgoing: Outgoing, out: Sink, context: FormatContext) -> None:
    for block in outgoing.blocks:
        out.write(block)
    pages = recut(source.require(MEMORY).batches(), len(outgoing.types))
    for octets in _batched(pages, outgoing) if context.option("variant") == "B" else _array(pages, outgoing):
        out.write(octets)
        context.progress(memoryview(octets).nbytes)
    for octets in _tail(source, BEHIND):
        out.write(octets)


def _array(pages: Iterable[NDArray[np.uint8]], outgoing: Outgoing) -> Iterator[Buffer]:
    yield outgoing.types.astype("<u4").data
    for rows in pages:
        yield rows.data


def _batched(pages: Iterable[NDArray[np.uint8]], outgoing: Outgoing) -> Iterator[Buffer]:
    types = outgoing.types.astype("<u4") << np.uint32(TYPE_SHIFT)
    words = types | np.arange(len(types), dtype="<u4")
    done = 0
    for rows in pages:
        yield len(rows).to_bytes(4, "little")
        yield words[done : done + len(rows)].data
        yield rows.data
        done += len(rows)
    yield bytes(4)


def recut(batches: Iterable[PageBatch], pfns: int) -> Iterator[NDArray[np.uint8]]:
    """Pages 0 .. ``pfns`` - 1 in full, 1024 at a time, u8[n, 4096]; the array is valid until the next step.

    Raises DomainError for a page that has no octets, and where the pages do not come once each, ascending.
    """
    buffer, spelled = (np.empty((MAX_BATCH, PAGE_SIZE), dtype=np.uint8) for _ in range(2))
    done = 0
    for batch in batches:
        if batch.first != done or batch.block or done + batch.count > pfns:
            raise _out_of_order(done, batch)
        rows = spell_out(batch, spelled)
        if done % MAX_BATCH == 0 and len(rows) == MAX_BATCH:
            done += MAX_BATCH
            yield rows
            continue
        while len(rows):
            start = done % MAX_BATCH
            taken = rows[: MAX_BATCH - start]
            buffer[start : start + len(taken)] = taken
            rows = rows[len(taken) :]
            done += len(taken)
            if done % MAX_BATCH == 0:
                yield buffer
    if done != pfns:
        raise DomainError("the domain gave too few pages", expected=f"0x{pfns:08x}", got=f"0x{done:08x}")
    if done % MAX_BATCH:
        yield buffer[: done % MAX_BATCH]


def spell_out(batch: PageBatch, buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """All pages of a batch, u8[count, 4096], in ``buffer`` u8[n, 4096] where it is large enough and they are not all
    DATA. Raises DomainError for a page that has no octets.
    """
    known = np.isin(batch.kinds, WRITTEN)
    if not known.all():
        place = int(np.argmin(known))
        kind = PageKind(int(batch.kinds[place])).name
        raise DomainError(
            f"PFN 0x{batch.first + place:08x} is {kind}: a LinuxGuestRecord holds the octets of every page"
        )
    data = batch.kinds == PageKind.DATA
    if data.all():
        return batch.pages
    fits = batch.count <= len(buffer)
    rows = buffer[: batch.count] if fits else np.empty((batch.count, PAGE_SIZE), dtype=np.uint8)
    rows[data] = batch.pages
    rows[~data] = 0
    if batch.fills is not None:
        rows[batch.kinds == PageKind.FILL] = batch.fills[:, np.newaxis]
    return rows


def _out_of_order(due: int, batch: PageBatch) -> DomainError:
    return DomainError(
        "the pages do not come in the order of a LinuxGuestRecord",
        expected=f"PFN 0x{due:08x}",
        got=f"0x{batch.count:x} pages of block {batch.block} from 0x{batch.first:08x} on",
        hint="save the domain to an image first, and convert that",
    )


def _tail(source: Domain, name: str) -> Iterator[bytes]:
    """What stood behind the record where the domain came from one."""
    tail: Any = source.state(FOREIGN_TAIL)
    for part in tail.parts if tail is not None else ():
        if part.format == SCHEME and part.name == name:
            yield part.octets
