"""What a stream is written of, in order: headers, records as they were found, records that states hold, and memory."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

import attrs

from domctx.api import Domain, StateKey
from domctx.schema import encode, size_of
from domctx.states import FOREIGN_HEAD, FOREIGN_TAIL, VCPUS, Foreign, ForeignPart
from domctx.values import frozen
from domctx_hvm import HVM_PARAMS as HVM_PARAMS_KEY
from domctx_xen.bodies import BY_VCPU, PARTS, Place, body_of, record_of
from domctx_xen.layout import (
    CPUID_POLICY,
    DOMAIN_CONTEXT,
    END,
    HVM,
    HVM_CONTEXT,
    HVM_PARAMS,
    LIBXC_CONTEXT,
    LIBXC_NAMES,
    LIBXL_END,
    MSR_POLICY,
    P2M_FRAMES,
    PAGE_DATA,
    PV,
    PV_INFO,
    SCHEME,
    SHARED_INFO,
    STATIC_DATA_END,
    TSC_INFO,
    VCPU_BASIC,
    DomainHeader,
    ImageHeader,
    LibxlHeader,
    XlHeader,
    libxc_name,
    libxl_name,
)
from domctx_xen.parts import BEHIND, LIBXC, LIBXC_HEADERS, LIBXL, LIBXL_HEADER, XL_HEADER, place_named

T = TypeVar("T")

FRAMINGS: Final = ("libxc", "libxl", "xl")
XEN_VERSION: Final = (4, 17)
"""The Xen whose saver we write as, where the domain was in no stream before."""
RANKS: Final = {
    code: rank
    for rank, code in enumerate(
        (
            PV_INFO,
            CPUID_POLICY,
            MSR_POLICY,
            STATIC_DATA_END,
            P2M_FRAMES,
            PAGE_DATA,
            DOMAIN_CONTEXT,
            TSC_INFO,
            SHARED_INFO,
            HVM_PARAMS,
            HVM_CONTEXT,
            VCPU_BASIC,
            *PARTS,
            END,
        )
    )
}
"""The order that every receiver accepts (formats/xen.md 4.4); PAGE_DATA stands for all of memory."""
MEMORY: Final = Place(PAGE_DATA)
_TYPES: Final = {f"{LIBXC}{name}": code for code, name in LIBXC_NAMES.items()}


@frozen
class Item:
    """One thing to write: ``octets`` as they are, or a ``place`` and what its record has beyond the states."""

    name: str
    octets: bytes = b""
    place: Place | None = None

    @property
    def layer(self) -> str:
        """``xl``, ``libxl`` or ``libxc``, whose it is; "" for what stands behind the stream."""
        if self.place is not None or self.name.startswith(LIBXC):
            return "libxc"
        return "xl" if self.name == XL_HEADER else "libxl" if self.name.startswith(LIBXL) else ""

    @property
    def type(self) -> int | None:
        """The type of a libxc record; None where it is none, or one that is not known."""
        return self.place.type if self.place is not None else _TYPES.get(self.name)

    @property
    def rank(self) -> int:
        """Where it stands in the order of a libxc stream; -1 where it may stand anywhere."""
        return RANKS.get(self.type, -1) if self.type is not None else -1


def found_items(source: Domain) -> list[Item]:
    """What the stream that the domain was in was made of; nothing where it was in none."""
    head = [_item(part.name, part.octets) for part in _parts(source, FOREIGN_HEAD)]
    tail = [_item(part.name, part.octets) for part in _parts(source, FOREIGN_TAIL)]
    if LIBXC_HEADERS not in (item.name for item in head):
        return []
    return insert([*head, *tail], [_memory()]) if _ends(head) else [*head, _memory(), *tail]


def _memory() -> Item:
    return Item("memory", place=MEMORY)


def _ends(items: Sequence[Item]) -> bool:
    return any(item.type == END for item in items)


def _item(name: str, octets: bytes) -> Item:
    return Item(name, octets, place_named(name))


def _parts(source: Domain, key: StateKey[Foreign]) -> Iterator[ForeignPart]:
    state = source.state(key)
    for part in state.parts if state is not None else ():
        if part.format == SCHEME:
            yield part


def new_items(*, pv: bool, version: int) -> list[Item]:
    """What a stream is made of besides what states hold: headers, memory and END."""
    major, minor = XEN_VERSION
    headers = encode(ImageHeader(version=version)) + encode(
        DomainHeader(type=PV if pv else HVM, xen_major=major, xen_minor=minor)
    )
    return [Item(LIBXC_HEADERS, headers), _memory(), record_item(END)]


def record_item(type: int) -> Item:
    """A record of libxc without a body."""
    return Item(f"{LIBXC}{libxc_name(type)}", record_of(type, b""))


def libxl_item(type: int) -> Item:
    """A record of libxl without a body."""
    return Item(f"{LIBXL}{libxl_name(type)}", record_of(type, b""))


def insert(items: Sequence[Item], new: Iterable[Item]) -> list[Item]:
    """The items with more, each before the first that stands behind it in every receiver's order."""
    waiting = deque(sorted(new, key=lambda item: item.rank))
    found: list[Item] = []
    for item in items:
        while waiting and waiting[0].rank < item.rank:
            found.append(waiting.popleft())
        found.append(item)
    return [*found, *waiting]


def framed(items: Sequence[Item], framing: str) -> list[Item]:
    """The items in that framing: headers and records of the layers around libxc added, or left out."""
    kept = [item for item in items if item.layer in ("", *FRAMINGS[: FRAMINGS.index(framing) + 1])]
    names = {item.name for item in kept}
    if framing != "libxc" and LIBXL_HEADER not in names:
        kept = _around(kept)
    if framing == "xl" and XL_HEADER not in names:
        kept = [Item(XL_HEADER, encode(XlHeader()) + bytes(4)), *kept]
    return kept


def _around(items: Sequence[Item]) -> list[Item]:
    """A libxl stream around libxc's; what stands behind the stream stays behind it."""
    behind = [item for item in items if item.name == BEHIND]
    inner = [item for item in items if item.name != BEHIND]
    header = Item(LIBXL_HEADER, encode(LibxlHeader()))
    return [header, libxl_item(LIBXC_CONTEXT), *inner, libxl_item(LIBXL_END), *behind]


def versioned(items: Sequence[Item], version: int) -> list[Item]:
    """The items in a stream of that version: its headers, and the records that it may not have or must have."""
    found = [attrs.evolve(item, octets=_with_version(item.octets, version)) for item in items]
    if version < 3:
        return [item for item in found if item.type not in (STATIC_DATA_END, CPUID_POLICY, MSR_POLICY)]
    if STATIC_DATA_END not in (item.type for item in found):
        found = insert(found, [record_item(STATIC_DATA_END)])
    return found


def _with_version(octets: bytes, version: int) -> bytes:
    if octets[:12] != encode(ImageHeader())[:12] or len(octets) < size_of(ImageHeader):
        return octets
    return octets[:12] + version.to_bytes(4, "big") + octets[16:]


def version_of(items: Iterable[Item]) -> int | None:
    """The version of the stream; None where there are no headers."""
    headers = next((item.octets for item in items if item.name == LIBXC_HEADERS), None)
    return None if headers is None else int.from_bytes(headers[12:16], "big")


def framing_of(items: Iterable[Item]) -> str:
    """The framing of what was found."""
    names = {item.name for item in items}
    return "xl" if XL_HEADER in names else "libxl" if LIBXL_HEADER in names else "libxc"


def places_of(source: Domain, items: Sequence[Item], version: int) -> list[Place]:
    """The records that the domain's states make in a stream of that version, in every receiver's order.

    Of ``items`` the places of parameters are kept that came in several records.
    """
    single = (PV_INFO, P2M_FRAMES, *((DOMAIN_CONTEXT,) if version >= 4 else (TSC_INFO, SHARED_INFO)))
    found = [*map(Place, single), *_params(source, items), Place(HVM_CONTEXT)]
    vcpus = source.state(VCPUS)
    known = set(vcpus.contexts if vcpus is not None else ())
    for key in PARTS.values():
        state = source.state(key)
        known |= set(state.parts if state is not None else ())
    found += [Place(code, vcpu) for vcpu in sorted(known) for code in BY_VCPU]
    return [place for place in found if body_of(place, source) is not None]


def _params(source: Domain, items: Sequence[Item]) -> list[Place]:
    """The places of HVM_PARAMS as they were found, if together they have all parameters; else one place for all."""
    state = source.state(HVM_PARAMS_KEY)
    count = len(state.params or ()) if state is not None else 0
    found = [item.place for item in items if item.place is not None and item.place.count is not None]
    starts = list(itertools.accumulate((place.count or 0 for place in found), initial=0))
    whole = [place.number for place in found] == starts[:-1] and starts[-1] == count
    return found if found and whole else [Place(HVM_PARAMS)]
