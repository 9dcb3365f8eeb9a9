"""What a stream has besides its states: records as they stand, and places."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.errors import DomainError
from domctx.states import FOREIGN_HEAD, FOREIGN_TAIL, ForeignPart
from domctx_xen import parts as module
from domctx_xen.bodies import Place
from domctx_xen.layout import HVM_PARAMS, SHARED_INFO, VCPU_BASIC
from domctx_xen.parts import different, place_name, place_named
from helpers import xen_streams as xs
from helpers.xen_streams import OPTIONAL, Bits, record
from helpers.xen_verdicts import domain_of


def names_of(folder: Path, *parts: Bits | bytes) -> tuple[list[str], list[str]]:
    """The names of the parts before and behind memory."""
    domain = domain_of(folder, *parts)
    head, tail = domain.state(FOREIGN_HEAD), domain.state(FOREIGN_TAIL)
    assert head is not None
    assert tail is not None
    return [part.name for part in head.parts], [part.name for part in tail.parts]


def test_parts_stand_in_the_streams_order(tmp_path: Path) -> None:
    """Headers, records that no state holds, and the places of the others."""
    head, tail = names_of(tmp_path, *xs.xl(xs.pv()), b"more")
    assert head == [
        "xl header",
        "libxl header",
        "libxl LIBXC_CONTEXT",
        "libxc headers",
        "place of libxc X86_PV_INFO",
        "libxc X86_CPUID_POLICY",
        "libxc X86_MSR_POLICY",
        "libxc STATIC_DATA_END",
        "place of libxc X86_PV_P2M_FRAMES",
    ]
    assert tail == [
        "place of libxc X86_TSC_INFO",
        "place of libxc SHARED_INFO",
        "place of libxc X86_PV_VCPU_BASIC[0]",
        "place of libxc X86_PV_VCPU_EXTENDED[0]",
        "place of libxc X86_PV_VCPU_XSAVE[0]",
        "place of libxc X86_PV_VCPU_MSRS[0]",
        "libxc END",
        "libxl END",
        "behind the stream",
    ]


def test_large_records_are_cut_into_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is read when it is asked for; together they are the record."""
    monkeypatch.setattr(module, "PIECE", 16)
    domain = domain_of(tmp_path, *xs.hvm()[:-1], record(OPTIONAL | 1, bytes(range(50))), xs.END)
    tail = domain.state(FOREIGN_TAIL)
    assert tail is not None
    found = [part.octets for part in tail.parts if part.name == "libxc record 0x80000001"]
    assert len(found) == 4
    assert b"".join(found) == record(OPTIONAL | 1, bytes(range(50)))[0].octets + bytes(range(50)) + bytes(6)
    assert tail.parts[0:1] == [tail.parts[0]]


def test_reserved_octets_stand_with_the_place(tmp_path: Path) -> None:
    """They are what the record has beyond the states; of a record as it should be there are none."""
    odd = record(8, xs.tsc()[1].octets, b"\1\2\3\4")
    tail = domain_of(tmp_path, *xs.hvm()[:5], odd, *xs.hvm()[6:]).state(FOREIGN_TAIL)
    assert tail is not None
    assert tail.parts[0] == ForeignPart("xen", "place of libxc X86_TSC_INFO", bytes(28) + b"\1\2\3\4")
    assert tail.parts[1].octets == b""


def test_an_opened_file_takes_no_parts(tmp_path: Path) -> None:
    """Nothing can be stored."""
    tail = domain_of(tmp_path, *xs.hvm()).state(FOREIGN_TAIL)
    assert tail is not None
    with pytest.raises(DomainError, match="takes no parts"):
        tail.store(ForeignPart("xen", "x", b""))


@pytest.mark.parametrize("place", [Place(SHARED_INFO), Place(VCPU_BASIC, 17), Place(HVM_PARAMS, 2, 5)])
def test_places_have_names(place: Place) -> None:
    """And are found by them."""
    assert place_named(place_name(place)) == place


@pytest.mark.parametrize("name", ["libxc END", "place of libxc", "place of libxc NOTHING", "place of libxc END[x]"])
def test_other_names_mark_no_place(name: str) -> None:
    """Whatever they look like."""
    assert place_named(name) is None


def test_the_difference_of_two_records_gives_one_of_the_other() -> None:
    """It is its own inverse; of equal ones there is none."""
    assert different(b"abc", b"abc") == b""
    assert different(different(b"abc", b"xyz"), b"xyz") == b"abc"
