"""What crosses between the core and its plugins: frozen data, and the protocols of what each side holds.

Data goes one way: a plugin returns ``RecordType``, ``Format``, ``StateProvider`` and ``Command`` objects; the core
calls the handlers in them with a state, a ``RecordWriter`` or ``RecordRun``, and a ``Context``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import attrs

T = TypeVar("T")
R = TypeVar("R")

Buffer = bytes | bytearray | memoryview
"""What ``data`` takes. A numpy array is passed as ``array.data`` (C-contiguous, any shape)."""

JSON = Any
"""What ``json.dumps`` takes: dict, list, str, int, float, bool, None."""


@attrs.frozen
class StateKey(Generic[T]):
    """Names one state interface and its version. A published interface never grows: a new version is a new key."""

    name: str
    version: int = 1

    def __str__(self) -> str:
        return self.name


class Instances(enum.Enum):
    """Which instance numbers a record type uses; (type, instance) is unique in an image."""

    SINGLE = "single"
    """Exactly instance 0."""
    DENSE = "dense"
    """0, 1, 2, ... in stream order."""
    KEYED = "keyed"
    """Any u32, for instance vCPU ids."""


class Images(enum.Flag):
    """The kinds of image that a record type is saved into."""

    DOMCTX = enum.auto()
    """domctx's own image, with MANIFEST and DIRECTORY."""
    PLAIN = enum.auto()
    """A plain domain context v10 image: Xen's own records only."""


@attrs.frozen
class Placement:
    """Where a run of a RAM block stands in the guest's physical address space; all three in octets."""

    address: int
    offset: int
    length: int


@attrs.frozen
class RamBlock:
    """One block of guest memory: ``size`` in octets, pages of ``1 << page_shift`` octets.

    ``placements`` is empty where the block is not mapped (a ROM that is shadowed, say).
    """

    name: str
    size: int
    page_shift: int = 12
    placements: tuple[Placement, ...] = ()

    @property
    def pages(self) -> int:
        """How many pages the block has; a last, partial page counts."""
        return -(-self.size >> self.page_shift)


@attrs.frozen
class Machine:
    """The description of a domain that stands in MANIFEST; it holds no state that a record holds."""

    name: str
    architecture: str
    """``i386``, ``x86_64``, ..."""
    hypervisor: str = ""
    """Where the domain runs or ran: ``xen-2004``, ``xen``, ``qemu``, ..."""
    byte_order: str = "little"
    page_shift: int = 12
    blocks: tuple[RamBlock, ...] = ()
    vcpus: tuple[int, ...] = ()
    run_state: str = "paused"
    """``running``, ``paused`` or ``suspended`` (the guest stopped itself for a save)."""
    pv_width: int | None = None
    """Octets of a paravirtualised guest's machine word; None where the guest is not paravirtualised."""
    pv_levels: int | None = None
    """Levels of a paravirtualised guest's page tables."""
    uuid: str | None = None
    command_line: str | None = None


@attrs.frozen
class Option:
    """An option of a format or record type: ``-O name=value``, and the plain alias ``--alias`` where it has one."""

    name: str
    type: type[str] | type[int] | type[bool]
    help: str
    default: str | int | bool | None = None
    choices: tuple[str, ...] = ()
    alias: str | None = None
    multiple: bool = False
    """May be given several times; the value is then a tuple."""


@attrs.frozen
class Difference:
    """One place in which two states differ. ``a`` and ``b`` are JSON values; None where a side lacks it.

    ``counted`` is False for what only tells when, by whom or from which frames a state was saved.
    """

    record: str
    path: str
    a: JSON
    b: JSON
    counted: bool = True


@attrs.frozen
class Coverage:
    """A part of a foreign file, and the check that covers it ("" where no check does)."""

    part: str
    check: str = ""


class Sink(Protocol):
    """Where octets go; nothing ever seeks to write."""

    def write(self, data: Buffer) -> None:
        """Take all of ``data``. Raises DomainError where the disk refuses."""

    def close(self) -> None:
        """Flush and close; every error is reported."""


class Source(Protocol):
    """Where octets come from."""

    name: str
    """A path or reference for messages."""

    def read(self, size: int) -> Buffer:
        """Exactly ``size`` octets, or fewer only at the end of the source. The view is valid until the next read."""

    def close(self) -> None:
        """Release the source."""


class Record(Protocol):
    """One record as a load handler sees it; every read is exact."""

    type: int
    """The type code without bit 31."""
    optional: bool
    """Whether bit 31 was set."""
    instance: int
    length: int
    offset: int
    """Where the header stands in the stream, in octets."""
    version: int
    """The version of the body, as MANIFEST tells it; 1 without a MANIFEST."""

    @property
    def remaining(self) -> int:
        """Octets of the body that are not read yet."""

    def read(self, size: int) -> memoryview:
        """The next ``size`` octets of the body. Raises RecordError past its end; valid until the next read."""

    def rest(self) -> memoryview:
        """All that is left of the body; at most the type's ``max_body``."""

    def decode(self) -> Any:
        """The whole body as an object of the type's ``body`` class, older versions converted up."""

    def ignore_data(self) -> None:
        """Say that what is left of the body is skipped on purpose."""

    def error(self, message: str, **details: Any) -> Exception:
        """A RecordError that names this record and its offset; for ``raise record.error(...)``."""


class RecordRun(Protocol):
    """Consecutive records of one type: what a load handler is called with, once for each run."""

    record_type: RecordType

    def __iter__(self) -> Iterator[Record]:
        """The plain road: record after record; each must be read to its end before the next is asked for."""

    def batches(self) -> Iterator[tuple[Any, Any]]:
        """The array road for bodies of one size: (instances u32[n], bodies u8[n, length]) as numpy arrays.

        Consecutive records of equal length come together; the arrays are valid until the next step.
        """


class RecordWriter(Protocol):
    """What a save handler writes its records with: begin, data, end, or one of the short forms."""

    record_type: RecordType

    @property
    def offset(self) -> int:
        """The stream offset, in octets, of the next octet of the body that ``data`` writes.

        Known only where ``begin`` was given the length; the offset of the next header otherwise.
        """

    def begin(self, instance: int = 0, length: int | None = None, *, optional: bool = False) -> None:
        """Begin a record. Without ``length`` the body is buffered, and spooled past 16 MiB."""

    def data(self, data: Buffer) -> None:
        """Append to the body; how the calls are cut never shows in the stream."""

    def end(self) -> None:
        """End the record: zero padding is added; a length that was promised is enforced."""

    def write(self, *parts: Buffer, instance: int = 0, optional: bool = False) -> None:
        """One whole record from ``parts``."""

    def write_object(self, body: Any, *, instance: int = 0, optional: bool = False) -> None:
        """One whole record from an object of the type's ``body`` class."""

    def write_batch(self, instances: Any, bodies: Any) -> None:
        """Many records of one size: ``instances`` u32[n], ``bodies`` u8[n, length], numpy arrays."""


class IndexedRecord(Protocol):
    """One record of an opened image, read at random."""

    instance: int
    length: int
    offset: int
    version: int

    def read(self, start: int = 0, size: int | None = None) -> memoryview:
        """Octets ``start`` .. ``start + size`` of the body. Raises RecordError outside of it."""

    def decode(self) -> Any:
        """The whole body as an object of the type's ``body`` class, older versions converted up."""

    def error(self, message: str, **details: Any) -> Exception:
        """A RecordError that names this record and its offset."""


class Context(Protocol):
    """What the core lends to a handler."""

    dry_run: bool
    """Only sizes are wanted: write the right number of octets, whatever they are."""
    machine: Machine
    """The description of the domain that is saved or was saved."""

    def option(self, name: str) -> Any:
        """The value of an option that the record type or format declares; its default where none was given."""

    def state(self, key: StateKey[T]) -> T | None:
        """Another state of the domain that is saved from, or of the target that is loaded into."""

    def require(self, key: StateKey[T]) -> T:
        """As ``state``; raises DomainError where the domain has none."""

    def map_ordered(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """``map`` over the only thread pool, results in order, a bounded number of items under way."""

    def note(self, message: str) -> None:
        """Tell the user something, once."""

    def progress(self, octets: int) -> None:
        """Count ``octets`` of guest state as done."""


SaveHandler = Callable[[Any, RecordWriter, Context], None]
LoadHandler = Callable[[Any, RecordRun, Context], None]


@attrs.frozen
class Transformed:
    """What a save or load wrapper that changes bytes returns: MANIFEST lists ``name`` for the record type."""

    name: str
    handler: Callable[..., None]


@attrs.frozen(kw_only=True)
class RecordType:
    """A type of record: its code, its body, and the handlers that save and load it."""

    code: int
    """Without bit 31; from the range that ``wire.CODE_RANGES`` gives to the plugin."""
    name: str
    """``MEMORY``; third parties' names carry a namespace: ``acme/tpm``."""
    summary: str
    """One line for ``domctx types``."""
    state: StateKey[Any]
    """The state that these records hold."""
    save: SaveHandler
    """Writes the state's records; never changes the state, never keeps the writer."""
    load: LoadHandler
    """Reads one run of records into the target's state."""
    new_state: Callable[[Machine], Any]
    """An empty state in memory to load into: for images that are opened, for ``diff``, and for contract tests."""
    instances: Instances = Instances.SINGLE
    version: int = 1
    readable_since: int = 1
    """The oldest reader version of this type that can read what we write."""
    body: type[Any] | None = None
    """The layout class of the body (``domctx.schema.layout``); None where a handler does it all."""
    max_body: int = 16 << 20
    """Octets; longer bodies are refused before they are read."""
    exact_size: Callable[[Any, Context], int] | None = None
    """Octets that all records of the state take, headers and padding included (``wire.record_size``)."""
    max_size: Callable[[Any, Context], int] | None = None
    """An upper bound of the same, where the exact size costs the work itself."""
    estimate_size: Callable[[Any, Context], int] | None = None
    """What a small sample says that the records will take, where ``max_size`` is far from it."""
    view: Callable[[Sequence[IndexedRecord], Context], Any] | None = None
    """The state over an opened image without loading it; None: ``new_state`` and ``load``."""
    show: Callable[[Record, Context], JSON] | None = None
    """The record as JSON; None: the fields of ``body``. ``domctx show`` prints it."""
    check: Callable[[RecordRun, Context], None] | None = None
    """Decodes every record of a run and keeps nothing: ``verify`` calls it; None: ``load`` into a ``new_state``."""
    diff: Callable[[Any, Any, Context], Iterable[Difference]] | None = None
    """Compares two states; None: their records field by field."""
    upgrades: Mapping[int, Callable[[bytes], bytes]] = attrs.field(factory=dict)
    """From version N the function that converts a body to version N + 1."""
    options: tuple[Option, ...] = ()
    images: Images = Images.DOMCTX
    optional: bool = False
    """Written with bit 31: a reader that does not know the type skips it."""


class Domain(Protocol):
    """Anything that holds a machine's state and can be saved from."""

    scheme: str
    location: str
    """The path or socket behind the domain; "" where there is none."""

    @property
    def machine(self) -> Machine:
        """The description of the domain, as it is now."""

    @property
    def one_pass(self) -> bool:
        """Whether pages can be had only once, in the source's own order (a pipe)."""

    def state(self, key: StateKey[T]) -> T | None:
        """The provider of a state, or None."""

    def owned_states(self) -> Sequence[StateKey[Any]]:
        """The states that the domain owns; states computed from others are not listed and never saved."""

    def pause(self) -> None:
        """Stop the domain; remembers whether it ran."""

    def unpause(self) -> None:
        """Give the domain back in the run state in which ``pause`` found it."""

    def close(self) -> None:
        """Release what the domain holds; a paused domain is given back."""


class Target(Protocol):
    """What is loaded into; it ends in exactly one of ``commit`` or ``abort``."""

    scheme: str
    location: str

    def prepare(self, machine: Machine) -> None:
        """Called once, with MANIFEST's description, before any state is asked for."""

    def state(self, key: StateKey[T]) -> T | None:
        """The state to load into, or None where the target has no such state."""

    def commit(self) -> None:
        """END and digests are good: do what needs everything, and publish."""

    def abort(self) -> None:
        """Leave nothing behind."""


class FormatContext(Protocol):
    """What the core lends to a format while it opens, creates or writes."""

    force: bool

    def option(self, name: str) -> Any:
        """The value of an option that the format declares; its default where none was given."""

    def note(self, message: str) -> None:
        """Tell the user something, once."""

    def progress(self, octets: int) -> None:
        """Count ``octets`` as done."""


@attrs.frozen(kw_only=True)
class Format:
    """A scheme of references (``lgr:path``) and what can be done with what they name.

    ``magics`` are (offset, octets) pairs that begin a file of the format; ``probe`` decides where magics are not
    enough (it gets the first 64 KiB of the file). ``open`` gives a Domain, ``create`` a Target that does not exist
    yet, ``update`` a Target that does, ``write`` pulls a source Domain into a sink in the format's own order,
    ``coverage`` says which parts of an opened file which check covers.
    """

    scheme: str
    summary: str
    magics: tuple[tuple[int, bytes], ...] = ()
    probe: Callable[[bytes], bool] | None = None
    open: Callable[[str, FormatContext], Domain] | None = None
    create: Callable[[str, FormatContext], Target] | None = None
    update: Callable[[str, FormatContext], Target] | None = None
    write: Callable[[Domain, Sink, FormatContext], None] | None = None
    coverage: Callable[[Domain], Iterable[Coverage]] | None = None
    options: tuple[Option, ...] = ()


@attrs.frozen
class StateProvider:
    """A state for domains and targets that are not the plugin's own.

    ``provide`` gets the Domain or Target and returns the state or None. ``owned`` states are saved with the domain;
    derived ones (computed from other states) are not.
    """

    key: StateKey[Any]
    provide: Callable[[Domain | Target], Any | None]
    owned: bool = True


@attrs.frozen
class Command:
    """A command of the CLI: ``target`` is ``module:attribute`` of a click command, imported when it is called."""

    name: str
    help: str
    target: str
