"""The hooks. All are called once, when the registry is resolved; none stands on a hot path.

Entry-point group ``domctx.v1``: the group is the version of the plugin API. Order comes from type codes, never from
registration; plugins are registered sorted by (distribution, entry point), so that wrappers nest the same everywhere.
"""

from collections.abc import Sequence

import pluggy

from domctx.api import Command, Format, LoadHandler, RecordType, SaveHandler, StateProvider, Transformed

PROJECT = "domctx"
GROUP = "domctx.v1"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def domctx_record_types() -> Sequence[RecordType]:
    """The record types that the plugin adds. A code or name claimed twice is refused, naming both claimants."""
    raise NotImplementedError


@hookspec
def domctx_formats() -> Sequence[Format]:
    """The schemes that the plugin adds. A scheme claimed twice is refused, naming both claimants."""
    raise NotImplementedError


@hookspec
def domctx_state_providers() -> Sequence[StateProvider]:
    """States for domains that are not the plugin's own."""
    raise NotImplementedError


@hookspec
def domctx_commands() -> Sequence[Command]:
    """Commands for the CLI. A name claimed twice is refused, naming both claimants."""
    raise NotImplementedError


@hookspec(firstresult=True)
def domctx_save(record_type: RecordType) -> SaveHandler | Transformed | None:
    """The handler that saves a record type.

    The core's own last implementation returns the one that the type declares. Wrap it, or anyone's, with
    ``@hookimpl(wrapper=True)``: ``inner = yield; return decorated(inner)``. A wrapper that changes octets returns
    ``Transformed(name, handler)``.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def domctx_load(record_type: RecordType) -> LoadHandler | Transformed | None:
    """The handler that loads a record type; wrapped as ``domctx_save``."""
    raise NotImplementedError
