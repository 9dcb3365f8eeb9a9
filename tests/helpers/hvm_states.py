"""Strategies of HVM save images and parameters, composed here octet by octet."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

from domctx_hvm import StoredHvmContext, StoredHvmParams

HEADER = struct.pack("<HHIIIQII", 1, 0, 24, 0x54381286, 1, 0xFFFFFFFFFFFFFFFF, 0x00060FB1, 2499996)
"""A HEADER entry."""

END = struct.pack("<HHI", 0, 0, 0)
"""An END entry."""

SIZES = {
    2: (1032, 1024, 1016, 8),
    3: (8,),
    4: (400,),
    5: (32, 24, 16),
    6: (1024,),
    7: (16,),
    8: (8,),
    9: (8,),
    10: (56,),
    11: (24, 16),
    12: (1048,),
    13: (8,),
    14: (240,),
    15: (32, 16),
    16: (600, 856, 2720, 24),
    17: (216, 8),
    18: (32, 24),
    19: (8,),
    20: (8, 24, 40),
}
"""Lengths that each type of entry comes in (formats/xen.md 3.2, 3.3)."""


def entry(typecode: int, body: bytes, instance: int = 0) -> bytes:
    """An entry of an image."""
    return struct.pack("<HHI", typecode, instance, len(body)) + body


def image(*entries: bytes) -> bytes:
    """An image of entries between HEADER and END."""
    return HEADER + b"".join(entries) + END


def bodies(typecode: int) -> st.SearchStrategy[bytes]:
    """Bodies of a type of entry, of any contents: mostly zero, or one drawn octet again and again with a drawn end."""
    sizes = st.sampled_from(SIZES.get(typecode, (0, 3, 40)))
    return sizes.flatmap(
        lambda size: st.builds(
            lambda fill, end: (bytes([fill]) * size)[: size - len(end)] + end,
            st.integers(0, 255),
            st.binary(max_size=min(size, 24)),
        )
    )


@st.composite
def images(draw: st.DrawFn, most: int = 6) -> bytes:
    """Images of a few entries of known and unknown types."""
    parts = []
    for _ in range(draw(st.integers(0, most))):
        typecode = draw(st.sampled_from([*SIZES, 22, 99]))
        parts.append(entry(typecode, draw(bodies(typecode)), draw(st.sampled_from((0, 1, 7)))))
    return image(*parts)


def stored_contexts() -> st.SearchStrategy[StoredHvmContext]:
    """States of an image."""
    return images().map(StoredHvmContext)


def stored_params() -> st.SearchStrategy[StoredHvmParams]:
    """States of a few parameters."""
    numbers = st.integers(0, (1 << 64) - 1)
    indexes = st.one_of(st.sampled_from((1, 5, 6, 12, 17, 36)), numbers)
    return st.lists(st.tuples(indexes, numbers), max_size=6).map(StoredHvmParams)
