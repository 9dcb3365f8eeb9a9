"""``domctx build KERNEL sim:DIR``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click

from domctx.cli import options
from domctx.cli.session import Session
from domctx.errors import DomainError, UsageError
from domctx_sim.builder import build
from domctx_sim.dom0 import Dom0
from domctx_sim.first import Order
from domctx_sim.kernel_image import read_image, read_limited
from domctx_sim.layout import MAX_NAME, MAX_VIFS
from domctx_sim.machine import Machine, new_folder
from domctx_sim.platforms import NAMES, TWO_LEVEL, Platform, platform_named
from domctx_sim.plugin import OPTIONS
from domctx_x86 import PAGE_SHIFT

_SIZE: Final = re.compile(r"([0-9]{1,12})([KMG]?)(i?B)?", re.IGNORECASE)
_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30}


def memory_pages(text: str, platform: Platform = TWO_LEVEL) -> int:
    """The pages in a size as ``64M``. Raises UsageError for a size that no domain has."""
    most = min(platform.paging.max_pfns, platform.frames)
    match = _SIZE.fullmatch(text)
    octets = int(match[1]) << _UNITS[match[2].upper()] if match else 0
    pages = octets >> PAGE_SHIFT
    if pages << PAGE_SHIFT != octets or not 0 < pages <= most:
        expected = f"whole pages of 4K up to {most >> 18}G, for instance 64M"
        raise UsageError("--memory is no size of a domain", expected=expected, got=repr(text))
    return pages


@click.command("build")
@click.argument("kernel", type=click.Path(path_type=Path))
@click.argument("machine", metavar="sim:DIR")
@click.option("--memory", required=True, metavar="SIZE", help="memory of the domain, for instance 64M")
@click.option("--initrd", type=click.Path(path_type=Path), help="a file that the guest finds in its memory")
@click.option("--cmdline", default="", metavar="TEXT", help="the guest's command line")
@click.option(
    "--vifs",
    type=click.IntRange(0, MAX_VIFS),
    default=1,
    metavar="N",
    show_default=True,
    help="virtual network interfaces",
)
@click.option(
    "--paging",
    type=click.Choice(NAMES),
    default=TWO_LEVEL.name,
    show_default=True,
    help="the guest's page tables: 2-level of Xen 2004; pae and 4-level, 64 bits, of today's Xen",
)
@click.option("--name", metavar="NAME", help="the domain's name  [default: the kernel's file name]")
@options.given
@options.force
@click.pass_obj
def command(
    session: Session,
    kernel: Path,
    machine: str,
    memory: str,
    initrd: Path | None,
    cmdline: str,
    vifs: int,
    paging: str,
    name: str | None,
    given: tuple[str, ...],
    force: bool,
) -> None:
    """Build a domain from KERNEL, a XenoGues or XenGuest image, in the new simulated machine sim:DIR.

    The domain is built and not started; DIR appears when all is done.
    """
    reference = session.reference(machine)
    if reference.scheme != "sim":
        raise UsageError("a domain is built in a simulated machine", expected="sim:DIR", got=repr(machine))
    platform = platform_named(paging)
    pages = memory_pages(memory, platform)
    image = read_image(kernel, pages << PAGE_SHIFT)
    order = Order(
        image=image,
        pages=pages,
        name=default_name(kernel) if name is None else name,
        initrd=read_initrd(initrd, pages << PAGE_SHIFT) if initrd else b"",
        command_line=cmdline,
        vifs=vifs,
    )
    build_machine(Path(reference.location), order, seed=seed_of(given), force=force, platform=platform)


def seed_of(given: tuple[str, ...]) -> int | None:
    """The seed in ``-O`` options. Raises UsageError for any other option."""
    from domctx.options import parse, value_of

    seed: int | None = value_of("seed", parse(given, OPTIONS), OPTIONS)
    return seed


def default_name(kernel: Path) -> str:
    """The name of a domain whose kernel's file is so called."""
    return kernel.stem.encode("ascii", "replace").decode()[: MAX_NAME - 1] or "guest"


def read_initrd(path: Path, limit: int) -> bytes:
    """The initrd. Raises DomainError where it cannot be read, is empty, or is larger than the domain."""
    octets = read_limited(path, limit)
    if not 0 < len(octets) <= limit:
        raise DomainError(
            "the initrd is empty or larger than the domain", file=str(path), expected=f"1 .. 0x{limit:x} octets"
        )
    return octets


def build_machine(
    folder: Path, order: Order, *, seed: int | None = None, force: bool = False, platform: Platform = TWO_LEVEL
) -> None:
    """Make a machine in ``folder`` with the domain in it; nothing is left behind where that fails.

    Raises UsageError where the folder exists and is not replaced, DomainError where the domain cannot be built.
    """
    with new_folder(folder, force=force) as working, Machine.create(working, platform) as machine:
        build(Dom0(machine, seed=seed), order)
        machine.save()
