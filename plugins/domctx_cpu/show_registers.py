"""``domctx registers FILE``: the registers of a machine's x86 vCPUs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
import click

from domctx.cli import options
from domctx.cli.session import Session
from domctx.errors import DomainError
from domctx_x86.states import PHYSICAL, REGISTERS, PhysicalMemory
from domctx_x86.vcpu import ATTRIBUTES, WIDE, Registers
from domctx_x86.walk import descriptors

IN_A_ROW: Final = 4


@click.command("registers")
@click.argument("file")
@click.option("--tables", is_flag=True, help="also the entries of GDT and IDT, read through the page tables")
@options.as_json
@options.given
@options.allow_newer
@click.pass_obj
def command(
    session: Session, file: str, tables: bool, as_json: bool, given: tuple[str, ...], allow_newer: bool
) -> None:
    """Show the registers of each x86 vCPU of FILE."""
    operation = session.operation(given, allow_newer=allow_newer)
    domain = session.open(file, given, operation)
    states = session.registry.attach(domain)
    found, memory = states.state(REGISTERS), states.state(PHYSICAL) if tables else None
    if found is None:
        raise DomainError("nothing tells of x86 vCPUs' registers in it", file=domain.location or None)
    vcpus = {vcpu: (registers, _tables(registers, memory)) for vcpu, registers in found.vcpus.items()}
    if as_json:
        values = [{"vcpu": vcpu} | described(registers) | told for vcpu, (registers, told) in vcpus.items()]
        session.print_json({"file": file, "vcpus": values})
        return
    for vcpu, (registers, told) in vcpus.items():
        halted = ", halted" if registers.halted else ""
        session.echo(f"vCPU {vcpu}: {registers.architecture}, CPL {registers.cpl}{halted}")
        for line in [*lines(registers), *_entry_lines(told)]:
            session.echo(f"  {line}")


def described(registers: Registers) -> dict[str, Any]:
    """The registers as a JSON value: numbers in hexadecimal, by name; the APIC's as they are."""
    segments = {
        name: attrs.evolve(segment, flags=segment.flags & ATTRIBUTES) for name, segment in registers.segments.items()
    }
    value = attrs.asdict(attrs.evolve(registers, segments=segments)) | {"cpl": registers.cpl}
    value["fpu"] = [{"mantissa": mantissa, "exponent": exponent} for mantissa, exponent in registers.fpu]
    found: dict[str, Any] = _hexed(value)
    return found | {"apic": registers.apic}


def _hexed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _hexed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hexed(item) for item in value]
    return f"{value:#x}" if type(value) is int else value


def _tables(registers: Registers, memory: PhysicalMemory | None) -> dict[str, list[str]]:
    """The entries of GDT and IDT in hexadecimal, as they stand in memory; none where they are not asked for."""
    if memory is None:
        return {}
    return {
        f"{name}_entries": [each.hex() for each in descriptors(registers, memory.read, name)] for name in ("gdt", "idt")
    }


def _entry_lines(tables: Mapping[str, list[str]]) -> Iterator[str]:
    for name, entries in tables.items():
        for index, entry in enumerate(entries):
            yield f"{name.removesuffix('_entries')}[{index}] {entry}"


def lines(registers: Registers) -> Iterator[str]:
    """The registers that people look at first."""
    digits = 16 if registers.architecture == WIDE else 8
    yield from _rows(registers.general, digits)
    for name, segment in registers.segments.items():
        yield (
            f"{name:4} {segment.selector:04x} base {segment.base:0{digits}x} "
            f"limit {segment.limit:08x} flags {segment.flags & ATTRIBUTES:08x}"
        )
    yield from _rows(registers.control, digits)
    yield from _rows({f"dr{number}": value for number, value in enumerate(registers.debug)}, digits)
    yield from _rows(registers.msrs, 16)


def _rows(values: Mapping[str, int], digits: int) -> Iterator[str]:
    cells = [f"{name:6} {value:0{digits}x}" for name, value in values.items()]
    for start in range(0, len(cells), IN_A_ROW):
        yield "  ".join(cells[start : start + IN_A_ROW])
