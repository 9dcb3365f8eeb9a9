"""The registers of an i386 guest against formats/xen.md 1.4."""

from __future__ import annotations

from domctx.schema import fields, size_of
from domctx_x86.registers import ExecutionContext


def test_registers_stand_in_the_order_of_the_reference() -> None:
    """The seventeen registers stand in Xen's order, four octets each: esi at 12, eip at 48."""
    names = "ebx ecx edx esi edi ebp eax ds es fs gs unused eip cs eflags esp ss"
    assert " ".join(field.name for field in fields(ExecutionContext)) == names
    assert [field.offset for field in fields(ExecutionContext)] == list(range(0, 68, 4))
    assert size_of(ExecutionContext) == 68
