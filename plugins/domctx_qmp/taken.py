"""The stream of a guest that stands, taken through a pipe: it passes once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from domctx.api import Machine
from domctx.errors import DomainError, StreamError
from domctx.files import CutError
from domctx.states import FOREIGN_TAIL, BlockSource, DeviceSection, ForeignPart, PageBatch
from domctx_qemu_stream.arriving import ArrivingFile
from domctx_qemu_stream.beside import is_ignored
from domctx_qemu_stream.blocks import WireBlock
from domctx_qemu_stream.domain import QemuDomain
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.kept import KeptStream
from domctx_qemu_stream.layout import IGNORE_SHARED
from domctx_qemu_stream.parts import COMMANDS, VMDESC
from domctx_qemu_stream.passing import PassingStream
from domctx_qemu_stream.plain import describe
from domctx_qmp.migration import Outgoing
from domctx_qmp.monitor import Monitor
from domctx_qmp.ram_file import RamFile

UNSEEN: Final = 1024
"""Pages that pass at once where nobody wants them."""
DROPPED: Final = (IGNORE_SHARED,)
TOLD: Final = ("name", "architecture", "vcpus")
"""What QEMU and its stream both tell of a machine; old machine types do not name themselves in it."""


class TakenStream:
    """The stream of a guest that stands: what stands before its pages, then these, then all of it but these."""

    def __init__(self, monitor: Monitor, devices: bytes, told: Machine, files: Mapping[int, RamFile]) -> None:
        """``files`` hold blocks that the stream may leave out."""
        self._name, self._files = monitor.name, files
        self._outgoing = Outgoing(monitor)
        self._file = ArrivingFile(self._outgoing.reading, self._name)
        self._kept = KeptStream(self._name)
        self._passing = PassingStream(self._file, self._kept)
        self._whole: QemuDomain | None = None
        self._passed = self._done = self._closed = False
        self._opened: list[QemuDomain] = []
        try:
            self._outgoing.start()
            with self._arriving():
                self._check(self._passing.begin(), told)
            self.head = self._open(self._passing.foretold(devices))
            self._check_head(told)
        except BaseException:
            self.close()
            raise

    @property
    def whole(self) -> QemuDomain:
        """The stream without its pages; those that were not asked for pass first. Raises DomctxError."""
        if self._whole is None:
            for _ in self.sources(UNSEEN):
                pass
            whole = self._open(self._kept.opened())
            if whole.elements.problem is not None:
                raise whole.elements.problem
            self._compare(whole)
            self._whole = whole
        return self._whole

    @property
    def sections(self) -> Sequence[DeviceSection]:
        """The device sections: with their descriptions once the pages have passed."""
        return (self.whole if self._done else self.head).sections

    def sources(self, pages: int) -> Iterator[BlockSource | PageBatch]:
        """All pages, each once, those that arrive first; the second time none. Raises DomctxError."""
        if self._passed:
            return
        self._passed = True
        with self._arriving():
            yield from self._passing.batches(pages)
        self._outgoing.complete()
        for index, block in enumerate(self.head.blocks):
            if self._passing.told[index] or not self._leaves_out:
                yield from self._passing.missing(index)
            elif index in self._files:
                yield self._files[index].source(index)
            else:
                raise DomainError(f"QEMU left out RAM block {block.name!r}, and no file has it", file=self._name)
        self._done = True

    @property
    def tail(self) -> Sequence[ForeignPart]:
        """What stands behind the device sections, as far as it has passed: none before the pages have."""
        state = self.whole.state(FOREIGN_TAIL) if self._done else None
        parts = state.parts if state is not None else ()
        if not self._leaves_out:
            return parts
        return [
            attrs.evolve(part, octets=describe(part.octets, DROPPED)) if part.name == VMDESC else part for part in parts
        ]

    @property
    def _leaves_out(self) -> bool:
        """Whether the stream may leave out blocks."""
        configuration = self._passing.configuration
        return configuration is not None and is_ignored(configuration.capabilities)

    def close(self) -> None:
        """Read no further: a migration that still runs fails."""
        for domain in self._opened:
            domain.close()
        self._opened.clear()
        if not self._closed:
            self._closed = True
            self._file.close()
            self._kept.close()

    @contextlib.contextmanager
    def _arriving(self) -> Iterator[None]:
        """What cuts the stream short is told in QEMU's words, where it has any."""
        try:
            yield
        except CutError:
            self._outgoing.complete()
            raise

    def _open(self, file: StreamFile) -> QemuDomain:
        domain = QemuDomain(file, lambda message: None)
        self._opened.append(domain)
        return domain

    def _check(self, blocks: Sequence[WireBlock], told: Machine) -> None:
        """The stream must have the blocks that QEMU listed, and be of the machine that it told of."""
        expected = [(block.name, block.size) for block in told.blocks]
        got = [(block.name, block.size) for block in blocks]
        if expected != got:
            message = "the stream has other RAM blocks than QEMU listed"
            raise StreamError(message, file=self._name, expected=_rows(expected), got=_rows(got))

    def _check_head(self, told: Machine) -> None:
        head, configuration = self.head.machine, self.head.elements.configuration
        for name in TOLD if configuration.machine is not None else TOLD[1:]:
            if getattr(head, name) != getattr(told, name):
                raise StreamError(
                    f"the stream is of a machine with another {name} than QEMU told of",
                    file=self._name,
                    expected=str(getattr(told, name)),
                    got=str(getattr(head, name)),
                )

    def _compare(self, whole: QemuDomain) -> None:
        """What was told before the pages must be what came behind them.

        Commands may come later: a file that is loaded needs none of them.
        """
        before, after = ({part.name: part.octets for part in each.head_parts()} for each in (self.head, whole))
        different = [name for name in before | after if name != COMMANDS and before.get(name) != after.get(name)]
        if different or self.head.machine != whole.machine:
            raise StreamError(
                "the stream is not what QEMU told of the standing machine",
                file=self._name,
                got=", ".join(different) or "another machine",
                hint="migrate it to a file, and convert that",
            )


def _rows(blocks: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} 0x{size:x}" for name, size in blocks)
