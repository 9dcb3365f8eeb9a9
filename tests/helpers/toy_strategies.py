"""Hypothesis strategies of toys."""

from __future__ import annotations

from hypothesis import strategies as st

from helpers import toy_vendor, toys

TOY_STATES = st.fixed_dictionaries(
    {},
    optional={
        toys.DIAL: st.builds(toys.Dial, st.builds(toys.DialBody, st.integers(0, 99), st.integers(0, 99))),
        toys.NOTES: st.builds(toys.Notes, st.lists(st.binary(max_size=40), max_size=5)),
        toys.LAMPS: st.builds(
            toys.Lamps, st.dictionaries(st.integers(0, 0xFFFF_FFFF), st.binary(min_size=12, max_size=12), max_size=5)
        ),
        toys.BULK: st.builds(toys.Bulk, st.integers(0, 3 << 20)),
        toys.CLOCK: st.builds(toys.Clock, st.integers(0, (1 << 64) - 1)),
        toy_vendor.MARK: st.builds(toy_vendor.Octets, st.dictionaries(st.integers(0, 9), st.binary(max_size=9))),
    },
)
"""States of a toy domain: some of them, of any contents."""
