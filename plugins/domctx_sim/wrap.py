"""``domctx make-guest PAYLOAD --load-address A -o IMAGE``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from domctx.cli import options
from domctx.cli.session import Session
from domctx.errors import UsageError
from domctx.publish import publish
from domctx.sinks import FileSink
from domctx_sim.kernel_image import make_guest, read_limited

LIMIT: Final = 1 << 30
"""Octets of the largest binary that is wrapped."""


@click.command("make-guest")
@click.argument("payload", type=click.Path(path_type=Path))
@click.option("--load-address", required=True, metavar="ADDRESS", help="linear address of its first octet, and entry")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="IMAGE", help="where to")
@click.option("--gzip", "packed", is_flag=True, help="pack the image")
@options.force
@click.pass_obj
def command(session: Session, payload: Path, load_address: str, output: Path, packed: bool, force: bool) -> None:
    """Wrap PAYLOAD, a flat binary that is entered at its first octet, as a XenGuest image."""
    octets = read_limited(payload, LIMIT)
    if len(octets) > LIMIT:
        raise UsageError("the flat binary is larger than any guest", file=str(payload), expected="at most 1 GiB")
    image = make_guest(octets, address_of(load_address), packed=packed)
    with publish(output, force=force) as file:
        sink = FileSink(file.fileno(), str(output))
        sink.write(image)
        sink.close()


def address_of(text: str) -> int:
    """A linear address, decimal or hexadecimal. Raises UsageError for anything else."""
    try:
        return int(text, 0)
    except ValueError:
        raise UsageError("--load-address is no address", expected="for instance 0xC0000000", got=repr(text)) from None
