"""A QEMU migration stream as a Domain."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from domctx.api import FormatContext, Machine, RamBlock, StateKey
from domctx.errors import UsageError
from domctx.file_domain import FileDomain
from domctx.files import CutError, in_file
from domctx.states import DEVICES, FOREIGN_HEAD, FOREIGN_TAIL, MEMORY, DeviceSection, ForeignPart
from domctx.values import frozen
from domctx_foreign import OpenedForeign, StoredForeign
from domctx_qemu import StoredDevices
from domctx_qemu_stream import vmdesc
from domctx_qemu_stream.beside import Beside, is_ignored, named, open_shared, untold
from domctx_qemu_stream.configuration import read_configuration
from domctx_qemu_stream.cpu import CPU, architecture_of
from domctx_qemu_stream.features import missing
from domctx_qemu_stream.files import StreamFile, open_file
from domctx_qemu_stream.global_state import run_state
from domctx_qemu_stream.layout import QCOW2_MAGIC, RAM, SCHEME
from domctx_qemu_stream.parts import Piece, head_parts, tail, tail_pieces
from domctx_qemu_stream.placement import (
    CMOS,
    Board,
    board_of,
    chosen,
    is_sure,
    main_blocks,
    place,
    size_in_cmos,
)
from domctx_qemu_stream.sections import Elements

if TYPE_CHECKING:
    from domctx_qemu_stream.memory import QemuMemory

T = TypeVar("T")

HYPERVISOR: Final = "qemu"
CMOS_SIZE: Final = 128


@frozen
class Given:
    """What options tell: the files besides the stream, and the blocks of the main RAM in their order."""

    channels: tuple[str, ...] = ()
    ram_files: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()


NOTHING: Final = Given()


class QemuDomain(FileDomain):
    """An opened stream: indexed when something of it is first asked for, and read at random from then on."""

    scheme = SCHEME

    def __init__(self, file: StreamFile, note: Callable[[str], None], given: Given = NOTHING) -> None:
        self.location = file.name
        self.file = file
        self._note, self._given = note, given
        self._opened = [file]
        self._found: dict[StateKey[Any], Any] = {}

    @functools.cached_property
    def elements(self) -> Elements:
        """What the stream is made of. Raises StreamError, UnsupportedError where not even its head can be read."""
        with in_file(self.location):
            elements = Elements(self.file, read_configuration(self.file), vmdesc.find(self.file))
            elements.walk()
        self._tell(elements)
        return elements

    @functools.cached_property
    def machine(self) -> Machine:
        """What the stream tells of the machine; its name is that of the machine type."""
        return self._describe()

    @functools.cached_property
    def board(self) -> Board:
        """The kind of machine."""
        names = {section.name for section in self.elements.devices}
        wire = self.elements.ram.blocks if self.elements.ram is not None else []
        return board_of(self.elements.configuration.machine, names, wire)

    @functools.cached_property
    def blocks(self) -> tuple[RamBlock, ...]:
        """The RAM blocks with their places. Raises UsageError where an option names a block that there is not."""
        if self.elements.ram is None:
            return ()
        wire, cmos = self.elements.ram.blocks, self._cmos()
        main = chosen(self._given.nodes, wire)
        if not self.board.name:
            name = self.elements.configuration.machine
            self._note(f"{self.location}: {name!r} is no x86 machine that is known: nothing tells where its RAM stands")
            main = []
        elif not main:
            size = size_in_cmos(cmos)
            main = main_blocks(wire, size)
            if not is_sure(wire, main, size):
                names = ", ".join(repr(wire[index].name) for index in main)
                self._note(
                    f"{self.location}: nothing tells which blocks of RAM follow each other from address 0 on; "
                    f"taken for it are {names}, which -O node=BLOCK changes, once for each in their order"
                )
        return place(wire, self.board, main, cmos)

    @functools.cached_property
    def sections(self) -> Sequence[DeviceSection]:
        """The device sections. Raises CutError."""
        found = []
        for section in self.elements.devices:
            octets = self.file.take(section.start, section.stop - section.start, f"section {section.name!r}")
            description = vmdesc.kept(section.description) if section.description is not None else None
            found.append(DeviceSection(section.name, section.instance, section.version, octets, description))
        return found

    def state(self, key: StateKey[T]) -> T | None:
        """The provider of a state, or None.

        Raises DomctxError: FOREIGN_TAIL where the stream was not read to its end, MEMORY where that is within its RAM.
        """
        with in_file(self.location):
            if key not in self._providers:
                return None
            if key not in self._found:
                self._found[key] = self._providers[key](self)
            return cast("T", self._found[key])

    def head_parts(self) -> Iterator[ForeignPart]:
        """What stands before memory."""
        return head_parts(self.elements, shared=self._shared)

    def owned_states(self) -> Sequence[StateKey[Any]]:
        """What the stream holds; FOREIGN_TAIL also where its end was not reached."""
        return tuple(self._providers)

    def close(self) -> None:
        """Close the file and the spool of pages that were packed."""
        elements = self.__dict__.get("elements")
        if elements is not None and elements.ram is not None:
            elements.ram.spool.close()
        for file in self._opened:
            file.close()

    @functools.cached_property
    def _providers(self) -> Mapping[StateKey[Any], Callable[[QemuDomain], Any]]:
        """What opens each state of a domain; functions of the class, so that a domain is freed with its last user."""
        found: dict[StateKey[Any], Callable[[QemuDomain], Any]] = {FOREIGN_HEAD: QemuDomain._head}
        if self.blocks:
            found[MEMORY] = QemuDomain._memory
        if self.elements.devices:
            found[DEVICES] = QemuDomain._devices
        if self._tail_pieces or self.elements.problem is not None:
            found[FOREIGN_TAIL] = QemuDomain._tail
        return found

    @functools.cached_property
    def _tail_pieces(self) -> Sequence[Piece]:
        return tail_pieces(self.elements, self.file.size, shared=self._shared)

    @functools.cached_property
    def _shared(self) -> bool:
        """Whether blocks of shared memory are left out of the stream, and no file is given for them."""
        ram = self.elements.ram
        if ram is None or not is_ignored(self.elements.configuration.capabilities):
            return False
        given = {named(text, ram.blocks)[0] for text in self._given.ram_files}
        return bool(untold(ram) - given)

    def _head(self) -> StoredForeign:
        return StoredForeign(self.head_parts())

    def _devices(self) -> StoredDevices:
        return StoredDevices(self.sections)

    def _tail(self) -> OpenedForeign:
        if self.elements.problem is not None:
            raise self.elements.problem
        return tail(self.file, self._tail_pieces)

    def _memory(self) -> QemuMemory:
        from domctx_qemu_stream.located import locate
        from domctx_qemu_stream.memory import QemuMemory

        elements = self.elements
        ram = elements.ram
        if ram is None or not elements.ram_ended:
            raise elements.problem or CutError(f"the stream ends before section {RAM!r} does", offset=self.file.size)
        shared = open_shared(self._given.ram_files, ram.blocks, self._opened)
        channels: list[StreamFile] = []
        for path in self._given.channels:
            channels.append(open_file(path))
            self._opened.append(channels[-1])
        found = locate(ram, self.file, Beside(shared, channels), is_ignored(elements.configuration.capabilities))
        for name in found.absent:
            self._note(
                f"RAM block {name!r} was shared memory, and is not in the stream: its pages are absent; "
                f"give its file with -O ram-file={name!r}=PATH"
            )
        if found.ways:
            self._note(f"{self.location}: pages came {', '.join(found.ways)}; they are kept plain, each as it was last")
        return QemuMemory(self.location, self.blocks, found.runs, found.missing, found.places)

    def _describe(self) -> Machine:
        elements = self.elements
        return Machine(
            name=elements.configuration.machine or self.board.name,
            architecture=architecture_of(section for section in self.sections if section.name == CPU),
            hypervisor=HYPERVISOR,
            blocks=self.blocks,
            vcpus=tuple(sorted({section.instance for section in elements.devices if section.name == CPU})),
            run_state=self._run_state(),
            uuid=elements.configuration.uuid,
        )

    def _cmos(self) -> bytes:
        """The octets of the machine's CMOS, where it has one."""
        found = [section for section in self.elements.devices if section.name == CMOS]
        return self.file.read(found[0].start, min(found[0].stop - found[0].start, CMOS_SIZE)) if found else b""

    def _run_state(self) -> str:
        return "running" if run_state(self.sections) == "running" else "paused"

    def _tell(self, elements: Elements) -> None:
        for message in _notes(elements, self.file.size):
            self._note(f"{self.location}: {message}")


def _notes(elements: Elements, size: int) -> Iterator[str]:
    if elements.problem is not None:
        yield f"not read to its end: {elements.problem}"
    if elements.end is not None and elements.end < size:
        yield f"0x{size - elements.end:x} octets stand behind the end of the stream; they are kept"
    held = [section.name for section in elements.devices] + ([RAM] if elements.ram is not None else [])
    lacking = missing(held)
    if lacking and elements.problem is None:
        yield f"the stream holds no {' and no '.join(lacking)}: it is not a whole machine"
    if elements.background:
        yield "a background snapshot, whose RAM has no end: it is written as a plain stream, with one"
    if elements.searched:
        names = ", ".join(map(repr, sorted(elements.searched)[:8]))
        yield f"nothing tells how long these sections are, their ends were searched: {names}"


def open_domain(path: str, context: FormatContext) -> QemuDomain:
    """Open a stream. Raises DomctxError where its head cannot be read; what else is wrong is told, and told again.

    The states of what could not be read refuse.
    """
    file = open_file(path, context.option("offset"))
    if file.read(0, len(QCOW2_MAGIC)) == QCOW2_MAGIC:
        file = _snapshot(file, context)
    elif context.option("snapshot") is not None:
        file.close()
        raise UsageError("is no qcow2 image, and has no snapshots", file=path)
    given = Given(context.option("channel"), context.option("ram-file"), context.option("node"))
    domain = QemuDomain(file, context.note, given)
    domain.location = path
    try:
        _ = domain.elements
    except BaseException:
        domain.close()
        raise
    return domain


def _snapshot(image: StreamFile, context: FormatContext) -> StreamFile:
    """The stream of a snapshot; the image is closed."""
    from domctx_qemu_stream.qcow2 import extract

    try:
        with in_file(image.name):
            file, snapshot = extract(image, context.option("snapshot"))
    finally:
        image.close()
    context.note(f"{image.name}: snapshot {snapshot.name!r}, copied to a temporary file of 0x{file.size:x} octets")
    return file
