"""The options that several commands share."""

from __future__ import annotations

from typing import Final

import click

given: Final = click.option(
    "-O",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="an option of a format or record type; `domctx formats` lists them, and those that need no -O",
)
force: Final = click.option("--force", is_flag=True, help="replace what exists already")
drop: Final = click.option("--drop", multiple=True, metavar="STATE", help="leave a state out")
allow_newer: Final = click.option("--allow-newer", is_flag=True, help="try an image of a newer version all the same")
as_json: Final = click.option("--json", "as_json", is_flag=True, help="print JSON")
