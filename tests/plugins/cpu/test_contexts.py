"""vCPU contexts between record, state and object."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings

from domctx.errors import DomainError, RecordError, UnsupportedError
from domctx.schema import encode
from domctx.states import GdtContext, VcpuContext
from domctx_cpu.contexts import (
    body_of,
    context_of,
    decode_context,
    decode_whole,
    join,
    split,
    vcpu_context,
    with_gdt,
    without_gdt,
)
from domctx_cpu.layout import CpuBody, FullExecutionContext
from helpers.vcpu_states import full_contexts, plain_context, vcpu_contexts, whole_contexts


@settings(max_examples=25, deadline=None)
@given(vcpu_contexts())
def test_a_context_comes_back_from_its_body(context: VcpuContext) -> None:
    """A context put into a record's body and taken out again is the same."""
    assert context_of(body_of(context)) == context


@settings(max_examples=25, deadline=None)
@given(full_contexts)
def test_the_gdt_fields_are_taken_out_and_put_back(context: FullExecutionContext) -> None:
    """Without its GDT fields a context differs in nothing else, and with them it is what it was."""
    bare = without_gdt(context)
    assert decode_context(vcpu_context(context)) == bare
    assert with_gdt(bare, context.gdt_frames, context.gdt_ents) == context


def test_frames_that_are_not_given_are_zero() -> None:
    """A GDT of two frames leaves the other fourteen zero."""
    assert with_gdt(plain_context(), (3, 4), 600).gdt_frames == (3, 4, *[0] * 14)


def test_an_unknown_abi_code_is_refused() -> None:
    """A record of an ABI that is not known is unsupported, and the message says which are known."""
    with pytest.raises(UnsupportedError, match=r"expected 0x00000001 xen-2004-i386, 0x00000002 .*, got 0x00000007"):
        context_of(CpuBody(abi=7, octets=b""))


def test_an_unknown_abi_name_is_refused() -> None:
    """A context of an ABI without a code can neither be saved nor decoded."""
    with pytest.raises(DomainError, match=r"no CPU record holds contexts of this ABI; .* got 'vax'"):
        body_of(VcpuContext("vax", b""))
    with pytest.raises(DomainError, match=r"unknown ABI; got 'vax'"):
        decode_context(VcpuContext("vax", b""))


@pytest.mark.parametrize("size", [0, 2515, 2517])
def test_a_context_of_the_wrong_length_is_refused(size: int) -> None:
    """A context of xen-2004-i386 has 2516 octets, no more and no fewer, on both roads."""
    expected = rf"expected 0x000009d4 octets, got 0x{size:08x}"
    with pytest.raises(RecordError, match=expected):
        context_of(CpuBody(abi=1, octets=bytes(size)))
    with pytest.raises(RecordError, match=expected):
        body_of(VcpuContext("xen-2004-i386", bytes(size)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gdt_ents": 3}, r"gdt_ents belongs to the GDT record; expected 0x00000000, got 0x00000003"),
        ({"gdt_frames": (0, 9, *[0] * 14)}, r"gdt_frames\[1\] belongs to the GDT record; .* got 0x00000009"),
    ],
)
def test_a_context_that_claims_a_gdt_is_refused(changes: dict[str, Any], message: str) -> None:
    """The GDT record owns frames and entries: a CPU record that has them too is refused."""
    context = VcpuContext("xen-2004-i386", encode(attrs.evolve(plain_context(), **changes)))
    with pytest.raises(RecordError, match=message):
        body_of(context)


@settings(max_examples=25, deadline=None)
@given(whole_contexts())
def test_a_context_is_split_and_joined_again(whole: VcpuContext) -> None:
    """A context with its GDT gives a context that a record takes and a GDT, which make the same octets again."""
    context, gdt = split(whole)
    assert decode_context(context).gdt_ents == 0
    assert gdt.entries == decode_whole(whole).gdt_ents
    assert len(gdt.frames) == (gdt.entries + 511) // 512
    assert join(context, gdt) == whole


def with_fields(abi: str, size: int, **fields: tuple[int, int, int]) -> VcpuContext:
    """A context of zeros but for fields given as (offset, width, value)."""
    octets = bytearray(size)
    for offset, width, value in fields.values():
        octets[offset : offset + width] = value.to_bytes(width, "little")
    return VcpuContext(abi, bytes(octets))


def test_the_gdt_is_taken_from_where_the_reference_says() -> None:
    """``gdt_frames`` and ``gdt_ents`` of both kinds of guest are found at their offsets of formats/xen.md 4.6."""
    wide = with_fields("xen-x86_64", 5168, ents=(4960, 8, 600), first=(4832, 8, 0x220B), second=(4840, 8, 7))
    assert split(wide) == (VcpuContext("xen-x86_64", bytes(5168)), GdtContext((0x220B, 7), 600))
    narrow = with_fields("xen-x86_32", 2800, ents=(2704, 4, 512), first=(2640, 4, 0x220B))
    assert split(narrow) == (VcpuContext("xen-x86_32", bytes(2800)), GdtContext((0x220B,), 512))


def test_a_gdt_that_no_processor_has_is_not_split_off() -> None:
    """More than 8192 entries are refused, and so is a frame that the entries do not reach."""
    with pytest.raises(RecordError, match=r"GDT has too many entries; expected gdt_ents at most 0x00002000"):
        split(with_fields("xen-x86_64", 5168, ents=(4960, 8, 8193)))
    with pytest.raises(
        RecordError, match=r"gdt_frames\[1\] is set, .* expected 1 frames for 0x00000200 entries, got 0x"
    ):
        split(with_fields("xen-x86_64", 5168, ents=(4960, 8, 512), second=(4840, 8, 7)))
    with pytest.raises(RecordError, match=r"one length; expected 0x00001430 octets, got 0x00000003"):
        split(VcpuContext("xen-x86_64", b"abc"))


def test_a_gdt_that_the_context_has_no_room_for_is_not_joined() -> None:
    """Seventeen frames, a frame that the field cannot hold, and a context that has a GDT already are refused."""
    narrow = VcpuContext("xen-x86_32", bytes(2800))
    with pytest.raises(RecordError, match="no room for the GDT's frames; expected at most 16, got 17"):
        join(narrow, GdtContext((1,) * 17, 8192))
    with pytest.raises(RecordError, match=r"gdt_frames\[0\]: out of range"):
        join(narrow, GdtContext((1 << 32,), 512))
    with pytest.raises(RecordError, match="gdt_ents belongs to the GDT record"):
        join(with_fields("xen-x86_32", 2800, ents=(2704, 4, 1)), GdtContext((), 0))
