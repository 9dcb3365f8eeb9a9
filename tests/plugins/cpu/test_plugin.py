"""The record type CPU, driven as the core drives it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomctxError, RecordError
from domctx.states import VCPUS, VcpuContext
from domctx.testing import RecordTypeContract
from domctx_cpu import StoredVcpus
from domctx_cpu.contexts import decode_context, vcpu_context
from domctx_cpu.layout import ExecutionContext, FullExecutionContext
from domctx_cpu.plugin import domctx_record_types
from helpers.record_road import Road, silent_flips
from helpers.vcpu_states import plain_context, stored_vcpus

TYPE = domctx_record_types()[0]
ROAD = Road(TYPE)


def state(**changes: Any) -> StoredVcpus:
    """One vCPU with a plain context but for ``changes``."""
    return StoredVcpus({0: vcpu_context(attrs.evolve(plain_context(), **changes))})


class TestCpuContract(RecordTypeContract):
    """CPU keeps the contract of record types."""

    record_type = TYPE
    max_examples = 5
    max_changes = 256

    def states(self) -> st.SearchStrategy[StoredVcpus]:
        """States of one vCPU and more."""
        return stored_vcpus(least=1)


def test_the_type_is_the_one_of_the_design() -> None:
    """Code, name and state are those of DESIGN.md section 4."""
    assert (ROAD.type.code, ROAD.type.name, ROAD.type.state) == (0x0001_0200, "CPU", VCPUS)


@settings(max_examples=20, deadline=None)
@given(stored_vcpus())
def test_records_come_back_and_their_size_is_known(saved: StoredVcpus) -> None:
    """What is saved loads to an equal state, in records of vCPU ids; the declared size is the real one."""
    octets = ROAD.save(saved)
    assert ROAD.size(saved) == len(octets)
    assert ROAD.load(octets).contexts == saved.contexts
    assert [instance for instance, _ in ROAD.bodies(saved)] == sorted(saved.contexts)


def test_a_body_is_the_abi_and_the_context() -> None:
    """Composed by hand: code 1, four reserved octets, then flags, ebx, ecx, edx and esi of the context."""
    body = ROAD.body(state())
    assert body[:28].hex(" ", 4) == "01000000 00000000 01000000 00000010 01000010 02000010 07000000"
    assert len(body) == 8 + 2516


@pytest.mark.parametrize("size", [0, 4, 7, 8, 2523, 2525])
def test_a_body_of_another_length_is_refused(size: int) -> None:
    """A body that is cut or padded is refused."""
    body = ROAD.body(state()) + bytes(8)
    with pytest.raises(RecordError):
        ROAD.load_body(body[:size])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 8 * 2524 - 1))
def test_a_flipped_bit_is_refused_or_comes_back(bit: int) -> None:
    """A body with one bit flipped is refused, or loads to a state that saves to just that body."""
    assert silent_flips(ROAD, ROAD.body(state()), [bit]) == []


def test_flips_of_the_head_and_the_gdt_fields_are_refused() -> None:
    """Every bit of the ABI, the reserved octets and the GDT's fields is checked."""
    body = ROAD.body(state())
    for bit in (*range(64), *range(8 * (8 + 2388), 8 * (8 + 2456))):
        changed = bytearray(body)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DomctxError):
            ROAD.load_body(bytes(changed))


def test_show_names_the_registers() -> None:
    """``show`` gives the ABI and every register by name, but not the GDT, which is another record's."""
    shown = ROAD.show(ROAD.body(state()))
    assert shown["abi"] == "xen-2004-i386"
    assert shown["cpu_ctxt"]["esi"] == 7
    assert shown["trap_ctxt"][14] == {"vector": 14, "flags": 3, "cs": 0x0819, "address": 0xC000000E}
    assert not any(name.startswith("gdt") for name in shown)


REGISTERS = [
    *(f"cpu_ctxt.{field.name}" for field in attrs.fields(ExecutionContext)),
    *(f"debugreg[{index}]" for index in range(8)),
    *["flags", "fast_trap_idx", "ldt_base", "ldt_ents", "guestos_ss", "guestos_esp", "pt_base"],
    *["event_callback_cs", "event_callback_eip", "failsafe_callback_cs", "failsafe_callback_eip"],
    "trap_ctxt[14].address",
    "trap_ctxt[255].vector",
    "fpu_ctxt[0x20:0x21]",
]


@pytest.mark.parametrize("path", REGISTERS)
def test_diff_names_the_register_that_changed(path: str) -> None:
    """A change of any single register is found, and told by the register's name."""
    ((record, found, a, b),) = ROAD.diff(state(), StoredVcpus({0: vcpu_context(changed(plain_context(), path))}))
    assert (record, found) == ("CPU[0]", path)
    assert a != b


def changed(value: Any, path: str) -> Any:
    """``value`` with the field at ``path`` changed."""
    name, _, rest = path.partition(".")
    field, _, index = name.partition("[")
    now = getattr(value, field)
    if isinstance(now, bytes):
        at = int(index.partition(":")[0], 16)
        new: Any = now[:at] + bytes([now[at] ^ 1]) + now[at + 1 :]
    elif index:
        at = int(index.rstrip("]"))
        item = changed(now[at], rest) if rest else now[at] ^ 1
        new = (*now[:at], item, *now[at + 1 :])
    else:
        new = changed(now, rest) if rest else now ^ 1
    return attrs.evolve(value, **{field: new})


def test_diff_tells_vcpus_and_abis_apart() -> None:
    """A vCPU that one side lacks and a context of another ABI are told; equal states differ in nothing."""
    other = StoredVcpus({0: VcpuContext("other", b""), 3: next(iter(state().contexts.values()))})
    found = ROAD.diff(state(), other)
    assert found[0] == ("CPU[0]", "abi", "xen-2004-i386", "other")
    assert found[1][1] == "octets[0x0:0x9d4]"
    assert found[2] == ("CPU[3]", "", None, "present")
    assert ROAD.diff(other, state())[2] == ("CPU[3]", "", "present", None)
    assert ROAD.diff(state(), state()) == []


def test_the_canonical_context_is_what_was_put_in() -> None:
    """A loaded context decodes to the object that was saved."""
    loaded = ROAD.load(ROAD.save(state()))
    found: FullExecutionContext = decode_context(loaded.contexts[0])
    assert found == plain_context()
