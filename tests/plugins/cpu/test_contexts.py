"""vCPU contexts between record, state and object."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings

from domctx.errors import DomainError, RecordError, UnsupportedError
from domctx.schema import encode
from domctx.states import VcpuContext
from domctx_cpu.contexts import body_of, context_of, decode_context, vcpu_context, with_gdt, without_gdt
from domctx_cpu.layout import CpuBody, FullExecutionContext
from helpers.vcpu_states import full_contexts, plain_context, vcpu_contexts


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
    with pytest.raises(UnsupportedError, match=r"unknown ABI; expected 0x00000001 xen-2004-i386, got 0x00000007"):
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
