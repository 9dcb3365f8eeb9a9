"""States that are on their way into a QEMU."""

from __future__ import annotations

import os
from collections.abc import Sequence

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st

from domctx.api import Placement, RamBlock
from domctx.errors import DomainError, DomctxError
from domctx.sinks import BytesSink
from domctx.states import DeviceSection, ForeignPart, PageBatch, PageKind
from domctx_qemu_stream.compose import Composer
from domctx_qmp.arrival import ArrivingDevices, ArrivingMemory, ArrivingTail, standing
from domctx_qmp.written import WrittenFile, WrittenRam

STATE = (8).to_bytes(4, "big") + b"running".ljust(100, b"\0")
HEADER = bytes.fromhex("5145564d 00000003")
RAM = bytes.fromhex("01 00000001 03 72616d 00000000 00000004")
DEVICE = bytes.fromhex("04 00000002 03 646576 00000000 00000001")
BLOCKS = (RamBlock("r", 0x2000),)


class Stream:
    """A stream that goes nowhere."""

    def __init__(self) -> None:
        self.blocks: Sequence[RamBlock] = BLOCKS
        self.written = WrittenRam()
        self.sink = BytesSink()
        self.head = [ForeignPart("qemu", "header", HEADER), ForeignPart("qemu", "sections", RAM + DEVICE)]
        self.composer = Composer(self.sink, BLOCKS, self.head)

    def why(self, error: DomctxError) -> DomctxError:
        """Its words."""
        return DomainError(f"its words, not {error.message!r}")


def test_states_become_a_stream_as_they_come() -> None:
    """Pages, devices and what stands behind are written at once, and not kept."""
    stream = Stream()
    memory, devices, tail = ArrivingMemory(stream), ArrivingDevices(stream), ArrivingTail(stream)
    pages = np.full((1, 4096), 0x41, np.uint8)
    memory.store(PageBatch(0, 0, np.array([0, 1], np.uint8), pages))
    assert bytes(stream.sink.octets).endswith(bytes.fromhex("0000000000001022 00"))
    devices.store(DeviceSection("dev", 0, 1, b"xyz"))
    assert bytes(stream.sink.octets).endswith(DEVICE + b"xyz")
    tail.store(ForeignPart("qemu", "vmdesc", b"{}"))
    stream.composer.finish()
    assert bytes(stream.sink.octets).endswith(b"xyz" + bytes.fromhex("00 06 00000002") + b"{}")
    assert (tuple(memory.blocks), devices.sections, tail.parts) == (BLOCKS, (), ())


def test_what_qemu_makes_itself_is_not_sent() -> None:
    """Absent pages of a block that no guest sees; absent pages of the guest's are refused."""
    stream = Stream()
    absent = np.full(2, PageKind.ABSENT, np.uint8)
    nothing = np.zeros((0, 4096), np.uint8)
    ArrivingMemory(stream).store(PageBatch(0, 0, absent, nothing))
    assert bytes(stream.sink.octets) == b""
    stream.blocks = (attrs.evolve(BLOCKS[0], placements=(Placement(0, 0, 0x2000),)),)
    with pytest.raises(DomainError, match="page 0x0 of RAM block 'r' is absent"):
        ArrivingMemory(stream).store(PageBatch(0, 0, absent, nothing))
    with pytest.raises(DomainError, match="there is no such RAM block"):
        ArrivingMemory(stream).store(PageBatch(7, 0, absent, nothing))


def test_what_was_in_a_shared_file_is_not_qemus_own() -> None:
    """Absent pages of a stream that left shared memory out are refused, though nothing tells where they stood."""
    stream = Stream()
    parts = [*stream.head, ForeignPart("qemu", "addresses", bytes(8))]
    stream.composer = Composer(stream.sink, BLOCKS, parts)
    batch = PageBatch(0, 0, np.full(2, PageKind.ABSENT, np.uint8), np.zeros((0, 4096), np.uint8))
    with pytest.raises(DomainError, match="page 0x0 of RAM block 'r' is absent"):
        ArrivingMemory(stream).store(batch)


def test_pages_that_are_written_are_not_sent() -> None:
    """Those of the blocks that can be; others are left to ``store``."""
    stream = Stream()
    descriptor = os.memfd_create("ram")
    stream.written.files[0] = WrittenFile(os.dup(descriptor), 0, "r", np.zeros(2, np.bool_))
    place = ArrivingMemory(stream).placer()
    kinds = np.array([PageKind.DATA, PageKind.ZERO], np.uint8)
    pages = np.full((1, 4096), 0x41, np.uint8)
    assert place(PageBatch(0, 0, kinds, pages))
    assert not place(PageBatch(1, 0, kinds, pages))
    assert (bytes(stream.sink.octets), os.pread(descriptor, 8192, 0)) == (b"", bytes(pages))
    stream.written.close()
    os.close(descriptor)


def test_why_qemu_has_ended() -> None:
    """Memory that is no more is told of in QEMU's own words."""
    stream = Stream()
    file = stream.written.files[0] = WrittenFile(os.open("/dev/null", os.O_WRONLY), 0, "r", np.zeros(2, np.bool_))
    batch = PageBatch(0, 0, np.array([PageKind.DATA], np.uint8), np.full((1, 4096), 0x41, np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwrite", lambda *arguments: 0)
        with pytest.raises(DomainError, match="its words, not 'nothing can be written there any more'"):
            ArrivingMemory(stream).store(batch)
    file.close()


def test_what_was_sent_cannot_be_read() -> None:
    """Neither at random nor in order."""
    memory = ArrivingMemory(Stream())
    with pytest.raises(DomainError, match="cannot be read"):
        memory.read(0, 0, 1)
    with pytest.raises(DomainError, match="cannot be read"):
        memory.batches()


def test_a_guest_that_ran_waits() -> None:
    """Its run state is sent as paused, in as many octets."""
    found = standing(DeviceSection("globalstate", 0, 1, STATE))
    assert found.octets == (7).to_bytes(4, "big") + b"paused".ljust(100, b"\0")


@given(
    st.builds(DeviceSection, st.sampled_from(["globalstate", "cpu"]), st.just(0), st.just(1), st.binary(max_size=120))
)
def test_other_sections_stay_as_they_are(section: DeviceSection) -> None:
    """Other devices, other run states, and sections of another shape."""
    assert standing(section) is section
    assert standing(DeviceSection("cpu", 0, 1, STATE)).octets == STATE
    assert standing(DeviceSection("globalstate", 0, 1, STATE + b"\0")).octets == STATE + b"\0"
