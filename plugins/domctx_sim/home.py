"""The frames in which a domain is put together, by page number."""

from __future__ import annotations

import numpy as np

from domctx.values import frozen
from domctx_sim.arrays import Numbers, Pages, Words
from domctx_sim.dom0 import Dom0
from domctx_sim.metadata import DomainRecord
from domctx_sim.platforms import Platform


@frozen(eq=False)
class Home:
    """A domain that dom0 created and nobody built yet; ``p2m`` u32[N] holds the MFN of every PFN."""

    dom0: Dom0
    domain: DomainRecord
    p2m: Words

    @property
    def pages(self) -> int:
        """N, the number of pages."""
        return len(self.p2m)

    @property
    def platform(self) -> Platform:
        """The kind of machine."""
        return self.dom0.machine.platform

    def mfn(self, pfn: int) -> int:
        """The frame of a page."""
        return int(self.p2m[pfn])

    def read(self, pfns: Numbers) -> Words:
        """A copy of pages: u32[n, 1024]."""
        return self.dom0.machine.frames.read(self.p2m[pfns])

    def page(self, pfn: int) -> Words:
        """A copy of one page: u32[1024]."""
        contents: Words = self.read(np.array([pfn]))[0]
        return contents

    def write(self, pfns: Numbers, contents: Pages) -> None:
        """Write pages, as dom0 does. Raises DomainError where the machine or the disk refuses."""
        self.dom0.machine.write(self.p2m[pfns].astype(np.int64), contents, self.domain.id)
