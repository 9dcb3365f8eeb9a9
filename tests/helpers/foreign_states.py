"""Strategies of foreign parts."""

from __future__ import annotations

from hypothesis import strategies as st

from domctx.states import ForeignPart
from domctx_foreign import StoredForeign


def names(most: int) -> st.SearchStrategy[str]:
    """Text of at most ``most`` latin-1 characters that does not end with a NUL."""
    return st.text(st.characters(max_codepoint=0xFF), max_size=most).map(lambda text: text.rstrip("\0"))


def foreign_parts() -> st.SearchStrategy[ForeignPart]:
    """Parts of any name."""
    return st.builds(ForeignPart, names(32), names(224), st.binary(max_size=200))


def stored_foreign(*, least: int = 0) -> st.SearchStrategy[StoredForeign]:
    """States of up to five parts."""
    return st.lists(foreign_parts(), min_size=least, max_size=5).map(StoredForeign)
