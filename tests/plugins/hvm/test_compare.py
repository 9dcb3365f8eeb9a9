"""Two HVM save images compared, entry by entry and field by field."""

from __future__ import annotations

from typing import Any

from domctx_hvm.compare import compare
from helpers.hvm_states import entry, image


def found(a: bytes | None, b: bytes | None) -> list[tuple[str, Any, Any]]:
    """(path, a, b) of each difference; the record is always the one."""
    differences = list(compare(a, b))
    assert {each.record for each in differences} <= {"HVM_CONTEXT[0]"}
    return [(each.path, each.a, each.b) for each in differences]


def cpu(**values: int) -> bytes:
    """A CPU body of zeros but for 64-bit words given by offset, as ``at512``."""
    body = bytearray(1032)
    for name, value in values.items():
        place = int(name.removeprefix("at"))
        body[place : place + 8] = value.to_bytes(8, "little")
    return bytes(body)


def test_equal_images_do_not_differ() -> None:
    """An image does not differ from itself, nor nothing from nothing."""
    octets = image(entry(2, cpu(at512=5)))
    assert found(octets, octets) == found(None, None) == []


def test_a_register_is_named() -> None:
    """A register that differs is told by vCPU and name."""
    a, b = image(entry(2, cpu(at512=5), 1)), image(entry(2, cpu(at512=6, at640=7), 1))
    assert found(a, b) == [("CPU[1].rax", 5, 6), ("CPU[1].rip", 0, 7)]


def test_a_bit_field_is_named() -> None:
    """A bit of the PIC or of an I/O APIC's pin is told by its name."""
    pins = bytearray(400)
    pins[16 + 8 * 9 + 2] = 1
    a = image(entry(3, bytes(8), 1), entry(4, bytes(400)))
    b = image(entry(3, b"\0\0\0\0\0\x20\0\0", 1), entry(4, bytes(pins)))
    assert found(a, b) == [("PIC[1].special_mask_mode", 0, 1), ("IOAPIC[0].redirtbl[9].mask", 0, 1)]


def test_a_local_apics_register_is_named() -> None:
    """A register of the local APIC is told by its name."""
    regs = bytearray(1024)
    regs[0x80] = 0x10
    assert found(image(entry(6, bytes(1024))), image(entry(6, bytes(regs)))) == [("LAPIC_REGS[0].tpr", 0, 16)]


def test_a_body_of_another_length_is_told() -> None:
    """Bodies of two lengths that mean the same differ in their length alone."""
    assert found(image(entry(5, bytes(24))), image(entry(5, bytes(32)))) == [("LAPIC[0].length", 24, 32)]


def test_unknown_entries_are_compared_by_octets() -> None:
    """Entries without fields are compared by octets."""
    a, b = image(entry(99, b"\1\2\3")), image(entry(99, b"\1\5\3"))
    assert found(a, b) == [("TYPE_99[0].octets[0x1:0x2]", "02", "05")]


def test_entries_that_one_side_lacks_are_told() -> None:
    """An entry of one side alone, a repeated one among them, is told by its name."""
    a = image(entry(19, bytes(8)), entry(19, bytes(8)))
    b = image(entry(9, bytes(8)), entry(19, bytes(8)))
    assert found(a, b) == [("TSC_ADJUST[0] (repeat 1)", "present", None), ("PCI_LINK[0]", None, "present")]
    assert found(a, None) == [("", "present", None)]
    assert found(None, a) == [("", None, "present")]


def test_another_order_and_other_trailing_octets_are_told() -> None:
    """The same entries in another order differ in it, and what stands behind END counts."""
    pic, tsc = entry(3, bytes(8)), entry(19, bytes(8))
    names = ["HEADER[0]", "PIC[0]", "TSC_ADJUST[0]", "END[0]"]
    assert found(image(pic, tsc), image(tsc, pic)) == [("order", names, [names[0], names[2], names[1], names[3]])]
    assert found(image(), image() + b"\7") == [("trailing[0x0:0x1]", None, "07")]
