"""What crosses between the core and its plugins: frozen data, and the protocols of what each side holds.

Data goes one way: a plugin returns ``RecordType``, ``Format``, ``StateProvider`` and ``Command`` objects; the core
calls the handlers in them with a state, a ``RecordWriter`` or ``RecordRun``, and a ``Context``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import attrs

from domctx.later import imported, later as later
from domctx.machine import Machine as Machine, Placement as Placement, RamBlock as RamBlock
from domctx.protocols import (
    Buffer as Buffer,
    Context as Context,
    Domain as Domain,
    FormatContext as FormatContext,
    IndexedRecord as IndexedRecord,
    Keeper as Keeper,
    LoadHandler as LoadHandler,
    Record as Record,
    RecordRun as RecordRun,
    RecordWriter as RecordWriter,
    SaveHandler as SaveHandler,
    Sink as Sink,
    Source as Source,
    Target as Target,
)
from domctx.values import frozen

T = TypeVar("T")

JSON = Any
"""What ``json.dumps`` takes: dict, list, str, int, float, bool, None."""


@frozen
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


class Role(enum.Enum):
    """What a reference is to a command: what it opens, or what it writes, creates or changes."""

    SOURCE = "source"
    GOAL = "goal"


@frozen
class Option:
    """An option of a format or record type: ``-O name=value``, and ``--alias value`` where it has a plain alias.

    The alias of a ``bool`` is a flag: ``--alias`` alone says yes. Options that share an alias share their name too.
    """

    name: str
    type: type[str] | type[int] | type[bool]
    help: str
    default: str | int | bool | None = None
    choices: tuple[str, ...] = ()
    alias: str | None = None
    multiple: bool = False
    """May be given several times; the value is then a tuple."""
    role: Role | None = None
    """Of a format's options: what a reference must be for the option to mean anything; None: either."""


@frozen
class Difference:
    """One place in which two states differ. ``a`` and ``b`` are JSON values; None where a side lacks it.

    ``counted`` is False for what only tells when, by whom or from which frames a state was saved.
    """

    record: str
    path: str
    a: JSON
    b: JSON
    counted: bool = True


@frozen
class Coverage:
    """A part of a foreign file, and the check that covers it ("" where no check does)."""

    part: str
    check: str = ""


@frozen
class Transformed:
    """What a save or load wrapper that changes bytes returns: MANIFEST lists ``name`` for the record type.

    ``overhead``: octets by which a body may be longer than the handler within wrote it, a nonce and a tag, say.
    """

    name: str
    handler: Callable[..., None]
    overhead: int = 0


@frozen(kw_only=True)
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
    oldest: int = 1
    """The oldest version of bodies that the handlers can read, after ``upgrades``; images of older ones are refused."""
    body: type[Any] | str | None = None
    """The layout class of the body (``domctx.schema.layout``), or ``module:Class``, imported when it is first used.

    None where a handler does it all.
    """
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
    counted: bool = True
    """Whether ``diff`` counts that one side lacks the state: False for what only tells of how a machine was saved."""
    upgrades: Mapping[int, Callable[[bytes], bytes]] = attrs.field(factory=dict)
    """From version N the function that converts a body to version N + 1."""
    options: tuple[Option, ...] = ()
    images: Images = Images.DOMCTX
    optional: bool = False
    """Written with bit 31: a reader that does not know the type skips it."""

    @property
    def layout(self) -> type[Any] | None:
        """The layout class of the body; its module is imported where only its name was given."""
        return imported(self.body) if isinstance(self.body, str) else self.body


@frozen(kw_only=True)
class Format:
    """A scheme of references (``lgr:path``) and what can be done with what they name.

    ``magics`` are (offset, octets) pairs that begin a file of the format; ``probe`` decides where magics are not
    enough (it gets the first 64 KiB of the file). ``open`` gives a Domain, ``create`` a Target that does not exist
    yet, ``update`` a Target that does, ``write`` pulls a source Domain into a sink in the format's own order (the
    Domain then has the states that plugins provide for it, too),
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
    implied_by: str | None = None
    """The ``bool`` option which, given to ``load``, stands for a target: ``create`` gets "" for its location."""


@frozen
class StateProvider:
    """A state for domains and targets that are not the plugin's own.

    ``provide`` gets the Domain or Target and returns the state or None. ``owned`` states are saved with the domain;
    derived ones (computed from other states) are not: their ``provide`` may ask for states that others provide.
    """

    key: StateKey[Any]
    provide: Callable[[Domain | Target], Any | None]
    owned: bool = True


@frozen
class Command:
    """A command of the CLI: ``target`` is ``module:attribute`` of a click command, imported when it is called."""

    name: str
    help: str
    target: str
