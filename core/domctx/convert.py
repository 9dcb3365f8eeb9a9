"""The converting road: any domain to an image, to a file of another format, or into a target."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from domctx.api import Domain, Images, Target
from domctx.context import Operation
from domctx.errors import DomctxError
from domctx.load import load
from domctx.pool import start
from domctx.registry import Registry
from domctx.save import save
from domctx.sinks import FileSink
from domctx.sources import FileSource


def into_target(
    source: Domain, target: Target, registry: Registry, operation: Operation, *, drop: Sequence[str] = ()
) -> None:
    """Save ``source`` and load ``target`` at the same time, through a pipe: as ``save - | load -`` does.

    A failure of either side aborts the target, also that of a source which cannot be given back: END is sent last.
    The source's failure is told where both fail.
    """
    reading, writing = os.pipe()
    producer = _Producer(writing, source, registry, operation, drop)
    try:
        producer.start()
        load(FileSource(reading, source.location), target, registry, operation, drop=drop)
    except BaseException as error:
        failure = producer.stop(reading)
        if failure is not None and isinstance(error, DomctxError):
            raise failure  # noqa: B904 (the load only tells that its source ended)
        raise
    producer.stop(reading)


class _Producer:
    """Saves a domain into a pipe, on a thread of its own; it is the load that counts progress."""

    def __init__(
        self, descriptor: int, source: Domain, registry: Registry, operation: Operation, drop: Sequence[str]
    ) -> None:
        own = Operation(operation.given, note=operation.note, force=operation.force, allow_newer=operation.allow_newer)
        self._arguments = (source, registry, own, drop)
        self._descriptor = descriptor
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="domctx-save")

    def start(self) -> None:
        """Begin to save."""
        start(self._thread)

    def _run(self) -> None:
        source, registry, operation, drop = self._arguments
        sink = FileSink(self._descriptor, source.location)
        try:
            with operation:
                save(source, sink, registry, operation, images=Images.DOMCTX, drop=drop)
            sink.close()
        except BaseException as error:  # told by ``stop``, on the thread that waits
            self._failure = error
        finally:
            os.close(self._descriptor)

    def stop(self, reading: int) -> BaseException | None:
        """Close the pipe and wait for the save to end; its failure, unless it only lost its reader."""
        os.close(reading)
        if self._thread.ident is not None:
            self._thread.join()
        else:  # interrupted before it began
            os.close(self._descriptor)
        lost_reader = self._failure is not None and isinstance(self._failure.__cause__, BrokenPipeError)
        return None if lost_reader else self._failure
