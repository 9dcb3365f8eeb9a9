"""Tests of domctx.manifest: who wrote an image, and what a reader must know."""

from __future__ import annotations

from typing import Any

import attrs
import cbor2
import pytest
from hypothesis import given, strategies as st

from domctx import manifest
from domctx.api import Machine, Placement, RamBlock
from domctx.errors import RecordError, UnsupportedError
from domctx.manifest import Manifest, TypeUse, decode, encode

U64 = st.integers(0, (1 << 64) - 1)
TEXT = st.text(max_size=10)
PLACES = st.builds(Placement, U64.map(lambda n: n >> 2), st.integers(0, 4096), st.integers(0, 4096))
BLOCKS = st.builds(
    RamBlock,
    TEXT,
    st.integers(8192, (1 << 62) - 1),
    st.integers(10, 30),
    st.lists(PLACES, max_size=3).map(tuple),
)
MACHINES = st.builds(
    Machine,
    TEXT,
    TEXT,
    hypervisor=TEXT,
    byte_order=st.sampled_from(["little", "big"]),
    page_shift=st.integers(10, 30),
    blocks=st.lists(BLOCKS, max_size=3).map(tuple),
    vcpus=st.lists(U64, max_size=3).map(tuple),
    run_state=TEXT,
    pv_width=st.none() | U64,
    pv_levels=st.none() | U64,
    uuid=st.none() | TEXT,
    command_line=st.none() | TEXT,
)
USES = st.builds(TypeUse, U64, TEXT, TEXT, TEXT, U64, U64, st.lists(TEXT, max_size=2).map(tuple))
MANIFESTS = st.builds(
    Manifest,
    MACHINES,
    st.lists(USES, max_size=3, unique_by=lambda use: use.code).map(tuple),
    TEXT,
    TEXT,
    st.sampled_from([(), ("memory-rounds",)]),
)
SMALL = Manifest(Machine("m", "i386"), (TypeUse(0x10200, "CPU", "domctx", "1", 2, 1),), "p", "t")


@given(MANIFESTS)
def test_a_manifest_is_read_as_written(value: Manifest) -> None:
    """In canonical CBOR."""
    body = encode(value)
    assert decode(body) == value
    assert cbor2.dumps(cbor2.loads(body), canonical=True) == body


def test_the_entry_of_a_type() -> None:
    """By its code; None for one that is not listed."""
    assert SMALL.use_of(0x10200) is SMALL.types[0]
    assert SMALL.use_of(0x10201) is None


def body(**changes: Any) -> bytes:
    """The small manifest with other values, by path: ``machine__name=3``; None of ``...`` takes a key away."""
    value = cbor2.loads(encode(SMALL))
    for path, item in changes.items():
        place = value
        *way, last = path.split("__")
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if item is ...:
            del place[last]
        else:
            place[last] = item
    return cbor2.dumps(value, canonical=True)


BLOCK = {"name": "ram", "size": 4096, "page_shift": 12, "placements": []}
PLACE = {"address": 0, "offset": 0, "length": 4096}
USE = attrs.asdict(SMALL.types[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"machine__name": 3}, "3 is not a text"),
        ({"machine__vcpus": 3}, "3 is not a list"),
        ({"machine__vcpus": [-1]}, "-1 is not a u64"),
        ({"machine__vcpus": [True]}, "True is not a u64"),
        ({"machine__uuid": 1}, "1 is not a text"),
        ({"machine__name": ...}, "is not a map with the keys of Machine"),
        ({"machine__colour": "red"}, "is not a map with the keys of Machine"),
        ({"machine": []}, "[] is not a map with the keys of Machine"),
        ({"machine__page_shift": 9}, "page shift 9"),
        ({"machine__page_shift": 31}, "page shift 31"),
        ({"machine__blocks": [{**BLOCK, "page_shift": 31}]}, "RAM block of 0x1000 octets in pages of 1 << 31"),
        ({"machine__blocks": [{**BLOCK, "size": 1 << 62}]}, "RAM block of 0x4000000000000000 octets"),
        ({"machine__blocks": [{**BLOCK, "placements": [{**PLACE, "offset": 1}]}]}, "outside its block"),
        ({"machine__blocks": [{**BLOCK, "placements": [{**PLACE, "address": (1 << 64) - 1}]}]}, "outside its block"),
        ({"machine__blocks": [{}]}, "is not a map with the keys of RamBlock"),
        ({"types": [USE, USE]}, "a type code is listed twice"),
        ({"types": [{}]}, "is not a map with the keys of TypeUse"),
        ({"requires": "memory-rounds"}, "'memory-rounds' is not a list"),
        ({"requires": [1]}, "1 is not a text"),
        ({"format_version": [1]}, "(1,) is not major and minor"),
        ({"format_version": [1, 0, 0]}, "(1, 0, 0) is not major and minor"),
        ({"producer": "x" * 99 and ["y" * 99]}, "... is not a text"),
        ({"time": ...}, "is not a map with the keys of Manifest"),
    ],
)
def test_what_is_no_manifest_is_refused(changes: dict[str, Any], message: str) -> None:
    """Naming MANIFEST, and what is wrong with it."""
    with pytest.raises(RecordError) as caught:
        decode(body(**changes))
    assert caught.value.record == "MANIFEST[0]"
    assert message in str(caught.value)


def test_a_manifest_has_a_mebibyte_at_most() -> None:
    """One that has just as much is written and read."""
    room = (1 << 20) - len(encode(attrs.evolve(SMALL, producer="x" * (1 << 19))))
    longest = attrs.evolve(SMALL, producer="x" * ((1 << 19) + room))
    assert len(encode(longest)) == 1 << 20
    assert decode(encode(longest)) == longest
    with pytest.raises(RecordError, match="MANIFEST is too long"):
        encode(attrs.evolve(longest, time="tt"))


def test_what_just_fits_is_read() -> None:
    """Pages of 1 KiB and of 1 GiB, the largest block, places that end with it and with all that can be addressed."""
    size, end = (1 << 62) - 1, 1 << 64
    places = (Placement(end - 1, 0, 1), Placement(end - size, 0, size), Placement(0, size, 0))
    for shift in (10, 30):
        machine = Machine(
            "m", "i386", page_shift=shift, blocks=(RamBlock("ram", size, shift, places),), vcpus=(end - 1,)
        )
        value = attrs.evolve(SMALL, machine=machine)
        assert decode(encode(value)) == value


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x80",
        b"\xa0\xa0",
        b"\xff",
        b"\x9b" + b"\xff" * 8,
        b"\x81" * 5000,
        b"\xc1\x00",
        b"\xd8\x23\x61\x28",
        encode(SMALL)[:-1],
        encode(SMALL) + b"\0",
        b"\xbf" + encode(SMALL)[1:] + b"\xff",
    ],
)
def test_what_is_no_canonical_cbor_is_refused(octets: bytes) -> None:
    """Cut, nested, tagged, endless, or told in another way than we would."""
    with pytest.raises(RecordError) as caught:
        decode(octets)
    assert caught.value.record == "MANIFEST[0]"


@given(st.binary(max_size=60))
def test_no_octets_raise_anything_else(octets: bytes) -> None:
    """Whatever comes is a manifest or a RecordError."""
    with pytest.raises(RecordError):
        decode(octets)


def test_newer_formats_are_refused_unless_allowed() -> None:
    """Compared lexicographically."""
    for version in ([1, 1], [2, 0]):
        with pytest.raises(UnsupportedError, match=rf"newer format version; expected at most 1.0, got {version[0]}\."):
            decode(body(format_version=version))
        assert decode(body(format_version=version), allow_newer=True).format_version == tuple(version)
    assert decode(body(format_version=[0, 9])).format_version == (0, 9)


def test_features_that_are_not_known_are_refused() -> None:
    """All of them are named."""
    with pytest.raises(UnsupportedError, match="requires features that this reader does not know; got a, b"):
        decode(body(requires=["b", "memory-rounds", "a"]))


def test_a_description_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is written, before anybody fails to read it."""
    with pytest.raises(RecordError, match=r"in MANIFEST\[0\]: MANIFEST.machine.name: not Unicode text"):
        encode(attrs.evolve(SMALL, machine=Machine("\udcff", "i386")))
    monkeypatch.setattr(manifest, "LIMIT", 100)
    with pytest.raises(RecordError, match="MANIFEST is too long; expected at most 100 octets, got"):
        encode(SMALL)
