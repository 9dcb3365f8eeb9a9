"""Opening files of LinuxGuestRecord in tests, and taking apart what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from domctx.sinks import BytesSink
from domctx.states import MEMORY, PAGE_TABLES, PageBatch, PageKind
from domctx_lgr import LgrDomain, open_domain, write


class Context:
    """A FormatContext that gathers what it is told."""

    force = False

    def __init__(self, **options: Any) -> None:
        self.options: dict[str, Any] = {"variant": "A3", "gzip": False, "name": None, **options}
        self.notes: list[str] = []
        self.octets = 0

    def option(self, name: str) -> Any:
        """The value of an option."""
        return self.options[name]

    def note(self, message: str) -> None:
        """Gather a note."""
        self.notes.append(message)

    def progress(self, octets: int) -> None:
        """Count."""
        self.octets += octets


def opened(folder: Path, octets: bytes, context: Context | None = None) -> LgrDomain:
    """A file of these octets, opened."""
    path = folder / "file.lgr"
    path.write_bytes(octets)
    return open_domain(str(path), context or Context())


def written(source: Any, **options: Any) -> bytes:
    """What a domain is written as."""
    sink = BytesSink()
    write(source, sink, Context(**options))
    return bytes(sink.octets)


def spelled(batch: PageBatch) -> list[bytes | None]:
    """Every page of a batch; None for one without octets."""
    data = iter(batch.pages)
    found: list[bytes | None] = []
    for kind in batch.kinds:
        if kind == PageKind.DATA:
            found.append(next(data).tobytes())
        else:
            found.append(bytes(4096) if kind == PageKind.ZERO else None)
    return found


def pages_of(domain: LgrDomain, pages: int = 1024) -> list[bytes | None]:
    """Every page of a domain, in order."""
    memory = domain.state(MEMORY)
    assert memory is not None
    return [page for batch in memory.batches(pages) for page in spelled(batch)]


def kinds_of(domain: LgrDomain) -> list[int]:
    """The kind of every page."""
    memory = domain.state(MEMORY)
    assert memory is not None
    return [int(kind) for kind in np.concatenate([batch.kinds.copy() for batch in memory.batches()])]


def types_of(domain: LgrDomain) -> list[int]:
    """The type of every page."""
    state = domain.state(PAGE_TABLES)
    assert state is not None
    assert state.context is not None
    return [int(type_) for type_ in state.context.types]
