"""Walks a stream once, from its first record to its last: what it is made of, and where its pages stand.

Of a checkpointed stream (Remus) the last complete checkpoint counts, and what follows it is dropped.
"""

from __future__ import annotations

from domctx.errors import DomctxError, StreamError, UnsupportedError
from domctx.files import StreamFile
from domctx_xen.epochs import Epochs
from domctx_xen.heads import Heads, Libxc, read_libxc
from domctx_xen.layout import (
    CHECKPOINT,
    CHECKPOINT_END,
    CHECKPOINT_STATE,
    DIRTY_PFNS,
    END,
    HVM_ONLY,
    LIBXC_CONTEXT,
    LIBXC_NAMES,
    LIBXL_END,
    LIBXL_NAMES,
    OPTIONAL,
    P2M_FRAMES,
    PAGE_DATA,
    PV_INFO,
    PV_ONLY,
    VERIFY,
)
from domctx_xen.p2m import P2m
from domctx_xen.pages import PageData
from domctx_xen.record import Element, read_element


class Walk:
    """What a stream is made of.

    ``problem`` is why it was not read to its end, None where it was; ``lost`` why a checkpointed stream was not read
    further than to its last complete checkpoint. ``end`` is the octet behind what counts.
    """

    def __init__(self, file: StreamFile, heads: Heads) -> None:
        self.file, self.heads = file, heads
        self.libxc: Libxc | None = None
        self.epochs = Epochs(file)
        self.pages = PageData(file)
        self.compared = PageData(file)
        """Pages behind VERIFY: they were sent before, and are to be compared."""
        self.p2m = P2m(file)
        self.end = 0
        self.checkpoints = 0
        self.problem: DomctxError | None = None
        self.lost: DomctxError | None = None
        self._verifying = False
        self._info: Element | None = None

    @property
    def headers(self) -> Libxc:
        """The headers of libxc. Raises what kept them from being read."""
        if self.libxc is None:
            raise self.problem or StreamError("the libxl stream holds no libxc stream")
        return self.libxc

    def walk(self) -> None:
        """Read the whole stream. What is wrong with it is kept; raises DomainError where the disk refuses."""
        try:
            self._walk()
        except (StreamError, UnsupportedError) as error:
            self._stop(error)

    def _stop(self, error: DomctxError) -> None:
        """Keep what was wrong. Of pages that were not looked at yet something may be wrong before it."""
        try:
            self.pages.flush()
        except (StreamError, UnsupportedError) as earlier:
            error = earlier
        if self.checkpoints:
            self.lost = error
            self.pages.runs.drop()
            self.p2m.drop()
        else:
            self.problem = error
            self.pages.runs.keep()  # what there is of it can be told

    def _walk(self) -> None:
        if self.heads.libxl is not None:
            self._libxl(self.heads.libxl.offset + len(self.heads.libxl.octets))
            return
        self.libxc = read_libxc(self.file, 0)
        last = self._libxc(self.libxc.end)
        while last.type == CHECKPOINT:
            self._checkpoint(last)
            last = self._libxc(last.end)
        self._keep(last)

    def _libxl(self, offset: int) -> None:
        """Records of libxl, and those of libxc behind LIBXC_CONTEXT and CHECKPOINT_END."""
        while True:
            element = read_element(self.file, offset, libxl=True)
            offset = element.end
            if element.type == CHECKPOINT_STATE:
                continue
            if element.type not in LIBXL_NAMES and not element.type & OPTIONAL:
                raise _unknown(element)
            self.epochs.note(element)
            if element.type == LIBXC_CONTEXT:
                offset = self._context(element)
            elif element.type == CHECKPOINT_END:
                if self.libxc is None:
                    raise StreamError("CHECKPOINT_END before any checkpoint", offset=element.offset)
                self._checkpoint(element)
                offset = self._libxc(offset).end
            elif element.type == LIBXL_END:
                self._keep(element)
                return

    def _context(self, element: Element) -> int:
        """The libxc stream behind LIBXC_CONTEXT; the offset behind it."""
        if self.libxc is not None:
            raise StreamError("a second libxc stream", offset=element.offset)
        self.libxc = read_libxc(self.file, element.end)
        return self._libxc(self.libxc.end).end

    def _libxc(self, offset: int) -> Element:
        """Records of libxc up to END or CHECKPOINT, which is returned."""
        while True:
            element = read_element(self.file, offset, libxl=False)
            offset = element.end
            if element.type == PAGE_DATA:
                self.epochs.first_page()
                (self.compared if self._verifying else self.pages).take(element.body, element.length)
            elif element.type == VERIFY:
                self._verifying = True
            else:
                self._take(element)
                if element.type in (END, CHECKPOINT):
                    return element

    def _take(self, element: Element) -> None:
        _check_known(element, pv=self.headers.pv)
        self.epochs.note(element)
        if element.type == PV_INFO:
            self._info = element
        elif element.type == P2M_FRAMES:
            if self._info is None:
                raise StreamError(f"{element.name} stands before X86_PV_INFO", offset=element.offset)
            self.p2m.take(element, self._info)
            self.pages.max_pfn = self.compared.max_pfn = self.p2m.last

    def _checkpoint(self, element: Element) -> None:
        self._keep(element)
        self.checkpoints += 1

    def _keep(self, last: Element) -> None:
        """Everything up to ``last`` counts."""
        self.pages.flush()
        self.compared.flush()
        self.epochs.end()
        self.p2m.keep()
        self.pages.runs.keep()
        self.compared.runs.keep()
        self.end = last.end


def _check_known(element: Element, *, pv: bool) -> None:
    """Raise for a record of libxc that no receiver takes."""
    if element.type == DIRTY_PFNS:
        raise StreamError(f"{element.name} goes back to the saver, and stands in no stream", offset=element.offset)
    if element.type not in LIBXC_NAMES and not element.type & OPTIONAL:
        raise _unknown(element)
    if element.type in (HVM_ONLY if pv else PV_ONLY):
        guest = "a paravirtualised" if pv else "an HVM"
        raise StreamError(f"the stream of {guest} guest holds a record {element.name}", offset=element.offset)


def _unknown(element: Element) -> UnsupportedError:
    layer = "libxl" if element.libxl else "libxc"
    return UnsupportedError(
        f"the stream holds a record of {layer} that is not known, and may not be skipped",
        offset=element.offset,
        got=f"type 0x{element.type:08x}",
        hint="a newer version of domctx may know it",
    )
