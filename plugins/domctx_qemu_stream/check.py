"""What of a stream is covered by a check: the format has no checksum anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from domctx.api import Coverage, Domain


def covered(domain: Domain) -> Iterator[Coverage]:
    """Each part of the stream, and what was checked of it."""
    from domctx_qemu_stream.domain import QemuDomain

    yield Coverage("page addresses, RAM blocks, section ids, lengths", "their ranges")
    if not isinstance(domain, QemuDomain):
        return
    elements = domain.elements
    yield Coverage("ends of sections", "section footers" if elements.footers else "")
    described = elements.description is not None and not elements.searched
    yield Coverage("sizes of device sections", "the stream's own description" if described else "")
    yield Coverage("contents of pages and device sections")
