"""Notes, made and told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from domctx.errors import StreamError
from domctx.schema import decode, size_of
from domctx_elf.layout import (
    Header32,
    Header64,
    Prstatus32,
    Prstatus64,
    QemuCpu,
    Section32,
    Section64,
    Segment32,
    Segment64,
)
from domctx_elf.notes import Note, named, note, notes_of, parse, qemu_cpu
from domctx_x86.vcpu import NARROW, WIDE, Registers, Segment

SIZES = {Header64: 64, Header32: 52, Segment64: 56, Segment32: 32, Section64: 64, Section32: 40}
STATES = {Prstatus64: 336, Prstatus32: 144, QemuCpu: 440}


@pytest.mark.parametrize(("layout", "size"), [*SIZES.items(), *STATES.items()])
def test_sizes(layout: type, size: int) -> None:
    """Structs have the sizes of the ABI and of the reference."""
    assert size_of(layout) == size


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=9).map(lambda name: name.replace(b"\0", b"")), st.integers(0, 9), st.binary(max_size=9)
        )
    )
)
def test_notes_come_back(notes: list[tuple[bytes, int, bytes]]) -> None:
    """Whatever their lengths; a tail shorter than a head is none."""
    octets = b"".join(note(*each) for each in notes)
    assert list(parse(octets + bytes(11))) == [Note(*each) for each in notes]


def test_a_note_that_reaches_too_far_is_refused() -> None:
    """However it is cut, or whatever it claims."""
    octets = note(b"CORE", 1, bytes(16))
    for size in range(12, len(octets)):
        with pytest.raises(StreamError, match="reaches past the notes' end"):
            list(parse(octets[:size]))
    with pytest.raises(StreamError, match="reaches past"):
        list(parse(b"\xff" * 12))


def registers(efer: int = 0) -> Registers:
    """A vCPU whose registers can be told apart."""
    return Registers(
        architecture=WIDE if efer else NARROW,
        general={"rax": 0x1_0000_0001, "rip": 2},
        segments={"cs": Segment(0x1_0008, 5, 6, 7), "fs": Segment(0x33, 0x44, 0, 0)},
        control={"cr0": 8, "cr4": 9},
        msrs={"efer": efer, "kernelgsbase": 10},
    )


def test_the_first_vcpu_tells_the_kind_of_all() -> None:
    """All NT_PRSTATUS stand first, then QEMU's notes."""
    for first, second, size in ((1 << 10, 0, 336), (0, 1 << 10, 144)):
        found = list(parse(notes_of({0: registers(first), 3: registers(second)})))
        assert [(each.name, each.type, len(each.octets)) for each in found] == [
            (b"CORE", 1, size), (b"CORE", 1, size), (b"QEMU", 0, 440), (b"QEMU", 0, 440),
        ]  # fmt: skip
        layout: type[Any] = Prstatus64 if first else Prstatus32
        assert [decode(layout, each.octets).pid for each in named(found, b"CORE", 1)] == [1, 4]
    assert notes_of({}) == b""


def test_qemu_s_note() -> None:
    """Registers that are not told are zero."""
    found = decode(QemuCpu, qemu_cpu(registers()))
    assert (found.version, found.size, found.general[0], found.general[16]) == (1, 440, 0x1_0000_0001, 2)
    assert (found.segments[0].selector, found.segments[0].base, found.segments[3].base) == (0x1_0008, 5, 0x44)
    assert (found.control, found.kernel_gs_base) == ((8, 0, 0, 0, 9), 10)
