"""The record type DISKS, driven as the core drives it."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from domctx.testing import RecordTypeContract
from domctx_disks import DISKS, Disk, DiskFile, DisksContext, StoredDisks
from domctx_disks.plugin import domctx_record_types
from helpers.disks_states import disks_contexts, stored_disks
from helpers.record_road import Road, accepted_cuts

(TYPE,) = domctx_record_types()
ROAD = Road(TYPE)
CONTEXT = DisksContext((Disk("virtio0", "qcow2", (DiskFile("/d.qcow2", 196616, 1_000_000_000),), DiskFile("/o", 9)),))
BODY = bytes.fromhex(
    "a2"
    "65 6469736b73 81 84"  # disks: one list of four
    "67 76697274696f30  65 71636f7732  83 62 2f6f 09 f6"  # virtio0, qcow2, an overlay without a time
    "81 83 68 2f642e71636f7732 1a 00030008 1a 3b9aca00"  # /d.qcow2, its size and time
    "68 6d6f7665645f6f6e f4"  # moved_on: false
)
"""``CONTEXT``, composed by hand: canonical CBOR has its shorter keys first."""


class TestDisksContract(RecordTypeContract):
    """DISKS keeps the contract of record types."""

    record_type = TYPE

    def states(self) -> st.SearchStrategy[StoredDisks]:
        """Disks of any name, number and place."""
        return stored_disks()


def test_the_type_stands_behind_the_devices() -> None:
    """A note of the disks is made when the machine's memory and devices were taken."""
    assert (TYPE.code, TYPE.name, TYPE.state, TYPE.optional) == (0x0001_0310, "DISKS", DISKS, False)


def test_a_body_by_hand() -> None:
    """The body is what is expected of the documentation, and is read back; no cut of it is."""
    assert ROAD.body(StoredDisks(CONTEXT)) == BODY
    assert ROAD.load_body(BODY).context == CONTEXT
    assert accepted_cuts(ROAD, BODY) == []


@settings(max_examples=60)
@given(context=disks_contexts())
def test_records_come_back_and_their_size_is_known(context: DisksContext) -> None:
    """What is saved loads to an equal state; the declared size is the real one."""
    octets = ROAD.save(StoredDisks(context))
    assert ROAD.size(StoredDisks(context)) == len(octets)
    assert ROAD.load(octets).context == context


def test_nothing_known_is_no_record() -> None:
    """A state that nothing was stored in makes no record."""
    assert (ROAD.save(StoredDisks()), ROAD.size(StoredDisks())) == (b"", 0)


def test_show_tells_files_and_dates() -> None:
    """A date stands beside the nanoseconds; no time has none."""
    files = (DiskFile("/a", 1, 1_795_265_586_048_410_770), DiskFile("/b", 2, (1 << 63) - 1), DiskFile("nbd:x"))
    shown = ROAD.show(ROAD.body(StoredDisks(DisksContext((Disk("ide0-hd0", "raw", files),), moved_on=True))))
    (disk,) = shown["disks"]
    assert (shown["moved_on"], disk["name"], disk["format"], disk["overlay"]) == (True, "ide0-hd0", "raw", None)
    assert [file["changed"] for file in disk["files"]] == [
        "2026-11-21T12:53:06+00:00",
        "2262-04-11T23:47:16+00:00",
        None,
    ]
    assert disk["files"][0] | {"changed": ""} == {"path": "/a", "size": 1, "mtime": files[0].mtime, "changed": ""}
