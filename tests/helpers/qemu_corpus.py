"""The corpus of real QEMU streams: unpacked, with the truth that stands beside each."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from domctx.context import OpenContext, Operation
from domctx.states import MEMORY
from domctx_memory.pages import whole
from domctx_qemu_stream.domain import QemuDomain, open_domain
from domctx_qemu_stream.plugin import domctx_formats

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PAGE = 4096
WINDOW_LOG = 27
"""The files were packed with long windows."""


class Corpus:
    """Unpacks files of the corpus into a folder, each once."""

    def __init__(self, source: Path, goal: Path) -> None:
        self.source, self._goal = source, goal

    def path(self, name: str) -> Path:
        """A file of the corpus, unpacked."""
        goal = self._goal / name
        if not goal.exists():
            options = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG}
            packed = (self.source / f"{name}.zst").read_bytes()
            goal.write_bytes(zstd.decompress(packed, options=options))
        return goal

    def truth(self, name: str) -> dict[str, Any]:
        """What was recorded of the machine: pages, registers, command line."""
        found: dict[str, Any] = json.loads((self.source / f"{name}.json").read_text())
        return found


def context(*given: str) -> OpenContext:
    """What the format is lent, with options ``name=value``."""
    from domctx import options

    (format_,) = (each for each in domctx_formats() if each.scheme == "qemu")
    return OpenContext(Operation(given), format_.options, options.select(given, format_.options))


def opened(path: Path, *given: str) -> QemuDomain:
    """A stream as a domain."""
    return open_domain(str(path), context(*given))


def wrong_pages(truth: dict[str, Any], raw: Path) -> list[int]:
    """The addresses of the pages that are not as recorded, of those that were recorded."""
    known = {int(address, 16): digest for address, digest in truth["pages_sha256_nonzero"].items()}
    zero = hashlib.sha256(bytes(PAGE)).hexdigest()
    found = []
    with raw.open("rb") as file:
        for start, length in truth["ranges"]:
            for address in range(start, start + length, PAGE):
                file.seek(address)
                digest = hashlib.sha256(file.read(PAGE).ljust(PAGE, b"\0")).hexdigest()
                if digest != known.get(address, zero):
                    found.append(address)
    return found


def memory_of(domain: QemuDomain) -> list[bytes]:
    """The octets of each block, read in order; pages without contents are zeros."""
    memory = domain.state(MEMORY)
    assert memory is not None
    found = [b"" for _ in memory.blocks]
    for batch in memory.batches(3):
        found[batch.block] += whole(batch, PAGE).tobytes()
    return found


def problem_of(path: Path) -> str:
    """Why a stream was not read to its end."""
    domain = opened(path)
    assert domain.elements.problem is not None
    return str(domain.elements.problem)
