"""``domctx registers FILE``: the registers of a QEMU machine's vCPUs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from domctx.cli import options
from domctx.cli.session import Session
from domctx.errors import DomainError
from domctx.states import MEMORY, VCPUS, Memory
from domctx_qemu_stream.cpu import WIDE, Registers
from domctx_qemu_stream.vcpus import QemuVcpus

IN_A_ROW = 4


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
    """Show the registers of each vCPU of FILE: a QEMU stream, a libvirt image, or an image of one."""
    operation = session.operation(given, allow_newer=allow_newer)
    domain = session.open(file, given, operation)
    states = session.registry.attach(domain)
    vcpus, memory = states.state(VCPUS), states.state(MEMORY) if tables else None
    if not isinstance(vcpus, QemuVcpus):
        raise DomainError("there are no vCPUs of QEMU's in it", file=domain.location or None)
    entries = {vcpu: _tables(vcpus, vcpu, memory) for vcpu in vcpus.contexts}
    if as_json:
        found = [{"vcpu": vcpu} | vcpus.described(vcpu) | told for vcpu, told in entries.items()]
        session.print_json({"file": file, "vcpus": found})
        return
    for vcpu, told in entries.items():
        registers = vcpus.registers(vcpu)
        halted = ", halted" if vcpus.halted(vcpu) else ""
        session.echo(f"vCPU {vcpu}: {registers.architecture}, CPL {registers.cpl}{halted}")
        for line in [*lines(registers), *_entry_lines(told)]:
            session.echo(f"  {line}")


def _tables(vcpus: QemuVcpus, vcpu: int, memory: Memory | None) -> dict[str, list[str]]:
    """The entries of GDT and IDT in hexadecimal, as they stand in memory; none where they are not asked for."""
    if memory is None:
        return {}
    return {
        f"{name}_entries": [each.hex() for each in vcpus.descriptors(vcpu, name, memory)] for name in ("gdt", "idt")
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
            f"limit {segment.limit:08x} flags {segment.flags:08x}"
        )
    yield from _rows(registers.control, digits)
    yield from _rows({f"dr{number}": value for number, value in enumerate(registers.debug)}, digits)
    yield from _rows(registers.msrs, 16)


def _rows(values: Mapping[str, int], digits: int) -> Iterator[str]:
    cells = [f"{name:6} {value:0{digits}x}" for name, value in values.items()]
    for start in range(0, len(cells), IN_A_ROW):
        yield "  ".join(cells[start : start + IN_A_ROW])
