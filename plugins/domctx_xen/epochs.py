"""The records of a stream, stretch by stretch: a plain stream is one, a checkpointed one has one for each checkpoint.

Whatever a later stretch tells again replaces what an earlier one told; a stretch that does not end never counts.
"""

from __future__ import annotations

import itertools
from typing import Final

from domctx.errors import StreamError, UnsupportedError
from domctx.files import StreamFile
from domctx_xen.layout import (
    DOMAIN_CONTEXT,
    HVM_CONTEXT,
    P2M_FRAMES,
    PV_INFO,
    SHARED_INFO,
    STATIC_DATA_END,
    TSC_INFO,
)
from domctx_xen.record import Element, Key, key_of

MAX_RECORDS: Final = 1 << 16
"""Records other than PAGE_DATA of one stretch: four for each of 8192 vCPUs, and then some."""
ONCE: Final = (PV_INFO, STATIC_DATA_END)
"""Records of libxc that stand in a stream once."""
SINGLE: Final = (P2M_FRAMES, SHARED_INFO, TSC_INFO, HVM_CONTEXT, DOMAIN_CONTEXT)
"""Records of libxc of which the last one counts, wherever it stands; of HVM_PARAMS each one does."""


class Epochs:
    """Collects records. ``before`` and ``behind`` the first page they stand in the order of the first stretch."""

    def __init__(self, file: StreamFile) -> None:
        self.before: dict[Key, Element] = {}
        self.behind: dict[Key, Element] = {}
        self.order: list[Element | None] = []
        """The records of the first stretch as they stand; None stands for the first page."""
        self.ended = 0
        """Stretches that have ended."""
        self.replaced: list[Element] = []
        """Records that replaced another one of the same stretch."""
        self._file = file
        self._now: list[tuple[Element, bool]] = []
        self._paged = False

    def first_page(self) -> None:
        """From here on records stand behind the first page."""
        if not self._paged:
            self._paged = True
            self.order.append(None)

    def note(self, element: Element) -> None:
        """Take a record. Raises StreamError for one that may stand once and does not, UnsupportedError for too many."""
        if len(self._now) >= MAX_RECORDS:
            most = f"at most 0x{MAX_RECORDS:08x}"
            raise UnsupportedError("the stream has too many records", offset=element.offset, expected=most)
        if not element.libxl and element.type in ONCE and self.find(element.type) is not None:
            raise StreamError(f"a second record {element.name}", offset=element.offset)
        self._now.append((element, self._paged))
        if not self.ended:
            self.order.append(element)

    def find(self, type: int) -> Element | None:
        """The first record of libxc of that type; None where none came yet."""
        known = itertools.chain(self.before.values(), self.behind.values(), (element for element, _ in self._now))
        return next((each for each in known if not each.libxl and each.type == type), None)

    def end(self) -> None:
        """What was taken since the last end counts. Raises StreamError for a record too short to tell what it is of."""
        counts: dict[tuple[bool, int], int] = {}
        seen: set[Key] = set()
        for element, behind in self._now:
            key = key_of(element, self._file, counts)
            if not element.libxl and element.type in SINGLE and not element.hollow:
                key = (False, element.type, 0)
            home = self.before if key in self.before or not (behind or key in self.behind) else self.behind
            home[key] = element
            if key in seen and element.type != P2M_FRAMES:
                self.replaced.append(element)
            seen.add(key)
        self._now = []
        self.ended += 1
