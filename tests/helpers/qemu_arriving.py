"""Streams that pass: octets put into a pipe piece by piece, and what a reader that goes on only once makes of them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from domctx.states import PageBatch, PageKind
from domctx_qemu_stream.arriving import ArrivingFile
from domctx_qemu_stream.kept import KeptStream
from domctx_qemu_stream.passing import PassingStream
from helpers.qemu_streams import PAGE


@contextlib.contextmanager
def arriving(octets: bytes, pieces: Sequence[int] = (), patience: float = 20.0) -> Iterator[ArrivingFile]:
    """A pipe that ``octets`` come through, in pieces of these sizes by turns."""
    reading, writing = os.pipe()
    thread = threading.Thread(target=_write, args=(writing, octets, pieces))
    thread.start()
    file = ArrivingFile(reading, "pipe", patience)
    try:
        yield file
    finally:
        file.close()
        thread.join()


def _write(writing: int, octets: bytes, pieces: Sequence[int]) -> None:
    at, turn = 0, 0
    with contextlib.suppress(BrokenPipeError):
        while at < len(octets):
            size = pieces[turn % len(pieces)] if pieces else len(octets)
            at += os.write(writing, octets[at : at + size])
            turn += 1
    os.close(writing)


@attrs.frozen
class Passed:
    """What came of a stream: the pages of each block, whether it was told of, and the stream without its pages."""

    blocks: list[tuple[str, int]]
    pages: list[bytes]
    told: list[bool]
    kept: bytes


def passed(octets: bytes, pieces: Sequence[int] = (), pages: int = 64) -> Passed:
    """Read a stream as it passes; pages that it did not tell of are asked for at the end."""
    kept = KeptStream("pipe")
    try:
        with arriving(octets, pieces) as file:
            stream = PassingStream(file, kept)
            blocks = stream.begin()
            found = [bytearray(b"?" * block.size) for block in blocks]
            for batch in stream.batches(pages):
                put(found[batch.block], batch, pages)
            for index in range(len(blocks)):
                for batch in stream.missing(index):
                    put(found[batch.block], batch, pages)
        rest = kept.opened()
        octets = rest.read(0, rest.size)
        rest.close()
        rows = [(block.name, block.size) for block in blocks]
        return Passed(rows, [bytes(each) for each in found], list(stream.told), octets)
    finally:
        kept.close()


def put(goal: bytearray, batch: PageBatch, limit: int) -> None:
    """Write a batch to where it belongs."""
    assert 0 < batch.count <= limit
    view = np.frombuffer(goal, np.uint8).reshape(-1, PAGE)[batch.first : batch.first + batch.count]
    view[batch.kinds == PageKind.DATA] = batch.pages
    view[batch.kinds == PageKind.ZERO] = 0
    if batch.fills is not None:
        view[batch.kinds == PageKind.FILL] = batch.fills[:, np.newaxis]
    assert np.isin(batch.kinds, (PageKind.DATA, PageKind.ZERO, PageKind.FILL)).all()
