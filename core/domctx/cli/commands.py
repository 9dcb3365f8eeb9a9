"""Which commands the core has itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "convert": ("domctx.cli.convert:command", "convert a saved state to another format, or into a machine"),
    "diff": ("domctx.cli.diff:command", "say which records, fields and pages of two states differ"),
    "formats": ("domctx.cli.formats:command", "list the schemes that references may have"),
    "info": ("domctx.cli.info:command", "say what a file holds, from its head and tail only"),
    "load": ("domctx.cli.load:command", "load an image into a machine"),
    "new-plugin": ("domctx.cli.new_plugin:command", "write the folder of a new plugin"),
    "plugins": ("domctx.cli.plugins:command", "list the plugins, and why one is broken"),
    "save": ("domctx.cli.save:command", "save a machine to an image"),
    "show": ("domctx.cli.show:command", "show records, field by field"),
    "types": ("domctx.cli.types:command", "list record types; layouts as C or tables; what a change breaks"),
    "verify": ("domctx.cli.verify:command", "check digests, then decode every record and frame"),
}
"""By name: module and attribute, imported when called, and a line of help."""

OPTIONS: Final = frozenset(("allow-newer", "digests", "drop", "dry-run", "force", "help", "json", "plain-xen"))
"""The long options of those that take ``-O``: no option of a format or record type has such an alias."""
