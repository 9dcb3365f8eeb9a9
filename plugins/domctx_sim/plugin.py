"""The scheme ``sim:`` and the commands ``build`` and ``make-guest``; what they do is imported when they are called."""

from __future__ import annotations

from collections.abc import Sequence

from domctx.api import Command, Domain, Format, FormatContext, Option, Role, Target
from domctx.hookspecs import hookimpl

OPTIONS = (
    Option("seed", int, "where the new machine's frames are scattered to: one seed, one machine", role=Role.GOAL),
)


def open_(location: str, context: FormatContext) -> Domain:
    """Open the domain of a machine's folder. Raises DomainError where there is none, or the machine is in use."""
    from domctx_sim.domain import SimDomain

    return SimDomain(location)


def create(location: str, context: FormatContext) -> Target:
    """A machine that does not exist yet. Raises UsageError where the folder exists and may not be replaced."""
    from domctx_sim.target import SimTarget

    return SimTarget(location, force=context.force, seed=context.option("seed"))


def update(location: str, context: FormatContext) -> Target:
    """A machine that exists, for what a plain v10 image holds. Raises DomainError where there is none."""
    from domctx_sim.update import SimUpdate

    return SimUpdate(location)


@hookimpl
def domctx_formats() -> Sequence[Format]:
    """``sim:``."""
    return [
        Format(
            scheme="sim",
            summary="a folder that holds a simulated Xen machine, of 2004 or of today, with one domain",
            open=open_,
            create=create,
            update=update,
            options=OPTIONS,
        )
    ]


@hookimpl
def domctx_commands() -> Sequence[Command]:
    """``build`` and ``make-guest``."""
    return [
        Command("build", "build a domain from a kernel image in a new simulated machine", "domctx_sim.build:command"),
        Command("make-guest", "wrap a flat binary as a kernel image", "domctx_sim.wrap:command"),
    ]
