"""What no format but its own has a place for, told."""

from __future__ import annotations

from domctx.api import Domain, FormatContext, StateKey
from domctx.states import Foreign


def tell_left(source: Domain, key: StateKey[Foreign], scheme: str, context: FormatContext) -> None:
    """Say which formats' parts of FOREIGN_HEAD or FOREIGN_TAIL a file of the format ``scheme`` does not hold."""
    state = source.state(key)
    for other in sorted({part.format for part in (state.parts if state is not None else ())} - {scheme}):
        context.note(f"what a {other} file had besides ({key.name}) is left behind")
