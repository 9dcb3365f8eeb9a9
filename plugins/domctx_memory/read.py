"""``domctx read FILE ADDRESS LENGTH``: octets of a machine's memory, by reading only the pages that hold them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from domctx.cli import options
from domctx.cli.session import Session
from domctx.context import paused
from domctx.files import in_file
from domctx.sinks import FileSink
from domctx.states import MEMORY, Memory, PageKind
from domctx_memory import hexdump
from domctx_memory.address import ADDRESS_LIMIT, AddressMap, Extent, number, space_of
from domctx_memory.octets import pieces, without_contents
from domctx_memory.virtual import LIMIT, LinearSpace, registers_of
from domctx_x86.states import REGISTERS


@click.command("read")
@click.argument("file")
@click.argument("address")
@click.argument("length")
@click.option("--block", metavar="NAME", help="ADDRESS is an offset in this RAM block")
@click.option("--virtual", is_flag=True, help="ADDRESS is linear: a vCPU's page tables tell where it leads")
@click.option("--vcpu", type=int, metavar="N", help="the vCPU of --virtual; else the first")
@click.option("--raw", is_flag=True, help="write the octets themselves")
@options.as_json
@options.given
@options.allow_newer
@click.pass_obj
def command(
    session: Session,
    file: str,
    address: str,
    length: str,
    block: str | None,
    virtual: bool,
    vcpu: int | None,
    raw: bool,
    as_json: bool,
    given: tuple[str, ...],
    allow_newer: bool,
) -> None:
    """Show LENGTH octets of FILE's memory from the guest-physical ADDRESS on, as hexdump -C does.

    Numbers are decimal or 0x hexadecimal, and may end with K, M, G or T. In a paravirtualised Xen guest a
    guest-physical address is its PFN times the page size.
    """
    _check_use(raw and as_json, virtual and block is not None, vcpu is not None and not virtual)
    start, count = number(address, LIMIT if virtual else ADDRESS_LIMIT), number(length)
    operation = session.operation(given, allow_newer=allow_newer)
    domain = session.open(file, given, operation)
    with paused(domain), in_file(domain.location or file):
        states = session.registry.attach(domain)
        memory = states.require(MEMORY)
        if virtual:
            vcpu, registers = registers_of(states.state(REGISTERS), vcpu)
            space: LinearSpace | AddressMap = LinearSpace(memory, registers)
        else:
            space = space_of(memory, block)
        for _ in space.find(start, count):
            """An address that leads nowhere is told before anything is shown."""
        place = {"address": start, "length": count, "vcpu": vcpu}
        _show(session, Reader(memory, session, space.find(start, count)), place, raw, as_json)


def _check_use(raw_json: bool, virtual_block: bool, vcpu_alone: bool) -> None:
    if raw_json:
        raise click.UsageError("--raw and --json exclude each other.")
    if virtual_block:
        raise click.UsageError("--virtual and --block exclude each other.")
    if vcpu_alone:
        raise click.UsageError("--vcpu goes with --virtual.")


def _show(session: Session, reader: Reader, place: dict[str, Any], raw: bool, as_json: bool) -> None:
    if raw:
        reader.write()
    elif as_json:
        session.print_json({**place, **reader.described()})
    else:
        for line in hexdump.lines(reader.octets(), place["address"]):
            session.echo(line)


class Reader:
    """Reads some extents of memory, and says of which pages it had no contents."""

    def __init__(self, memory: Memory, session: Session, extents: Iterator[Extent]) -> None:
        self._memory = memory
        self._session = session
        self._extents = extents

    def octets(self) -> Iterator[bytes]:
        """The octets, piece by piece; pages without contents are zeros, and noted."""
        for piece in pieces(self._memory, self._extents):
            empty = without_contents(piece.kinds)
            for start, stop in piece.stretches(empty) if empty.any() else ():
                if not empty[start]:
                    continue
                kind = PageKind(piece.kinds[start]).name.lower()
                name = self._memory.blocks[piece.block].name
                pages = f"0x{piece.pages[start]:x}-0x{piece.pages[stop - 1]:x}"
                self._session.note(f"RAM block {name!r}, pages {pages} have no contents ({kind}, ...): zeros are shown")
            yield piece.octets.tobytes()

    def write(self) -> None:
        """Write the octets to standard output."""
        sink = FileSink(self._session.stdout(), "standard output")
        for octets in self.octets():
            sink.write(octets)
        sink.close()

    def described(self) -> dict[str, Any]:
        """The octets in hexadecimal, and the kinds of the pages that they came from, as runs."""
        octets: list[str] = []
        pages: list[dict[str, Any]] = []
        for piece in pieces(self._memory, self._extents):
            octets.append(piece.octets.tobytes().hex())
            pages += [
                {
                    "block": self._memory.blocks[piece.block].name,
                    "first": int(piece.pages[start]),
                    "count": stop - start,
                    "kind": PageKind(piece.kinds[start]).name.lower(),
                }
                for start, stop in piece.stretches(piece.kinds)
            ]
        return {"octets": "".join(octets), "pages": pages}
