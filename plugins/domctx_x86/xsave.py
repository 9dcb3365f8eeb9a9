"""The uncompressed XSAVE area: the FXSAVE image, a header, and components (Intel SDM volume 1, 13.4).

Where components stand CPUID tells, and no saved file does; but there are two ways in which processors place them, and
an area's length tells which one it is, for it ends with its last component.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from domctx.schema import U64, Array, Blob, Nested, decode, layout, size_of, to_json
from domctx.values import frozen
from domctx_x86.fxsave import Fxsave

COMPONENTS: Final[Mapping[int, tuple[str, int]]] = MappingProxyType(
    {
        2: ("avx", 256),
        3: ("bndregs", 64),
        4: ("bndcsr", 64),
        5: ("opmask", 64),
        6: ("zmm_high", 512),
        7: ("zmm_upper", 1024),
        9: ("pkru", 8),
        17: ("tilecfg", 64),
        18: ("tiledata", 8192),
    }
)
"""Name and octets of each component behind the header, by its bit in XCR0 (Intel SDM volume 1, 13.1 and 13.5)."""

INTEL: Final[Mapping[int, int]] = MappingProxyType(
    {2: 576, 3: 960, 4: 1024, 5: 1088, 6: 1152, 7: 1664, 9: 2688, 17: 2752, 18: 2816}
)
AMD: Final[Mapping[int, int]] = MappingProxyType({2: 576, 5: 832, 6: 896, 7: 1408, 9: 2432})
"""Where components stand in an area, by bit: as CPUID leaf 13 of processors of each maker tells."""

AVX_SIZE: Final = 256
"""Octets of the AVX component, which is the first behind the header: the upper halves of YMM0 .. YMM15."""


@layout(source="Intel SDM volume 1, 13.4: XSAVE area")
@frozen(kw_only=True)
class XsaveArea:
    """The fixed 576 octets, and the components behind them."""

    legacy: Annotated[Fxsave, Nested(Fxsave, "x87 and SSE")]
    xstate_bv: Annotated[int, U64("the components that are not in their initial state", unit="mask")]
    xcomp_bv: Annotated[int, U64("0: not compacted", unit="mask")]
    reserved: Annotated[tuple[int, ...], Array(U64("reserved"), 6, "kept as they are found")]
    components: Annotated[bytes, Blob("AVX first, then what XCR0 enables")]

    @property
    def ymm_high(self) -> tuple[bytes, ...]:
        """The upper halves of the YMM registers; none where the area has no room for them."""
        if len(self.components) < AVX_SIZE:
            return ()
        return tuple(self.components[place : place + 16] for place in range(0, AVX_SIZE, 16))


def named_components(area: XsaveArea, accumulated: int) -> dict[str, bytes] | None:
    """The components of an area by name, where ``accumulated`` has the bits of those that it has room for.

    None where an unknown one is among them, the length is that of no known placement, or something stands between.
    """
    bits = [bit for bit in range(2, 64) if accumulated >> bit & 1]
    fixed = size_of(XsaveArea)
    for places in (INTEL, AMD):
        if not all(bit in places for bit in bits):
            continue
        spans = {bit: slice(places[bit] - fixed, places[bit] - fixed + COMPONENTS[bit][1]) for bit in bits}
        rest = bytearray(area.components)
        if len(rest) == max((span.stop for span in spans.values()), default=0):
            found = {COMPONENTS[bit][0]: area.components[span] for bit, span in spans.items()}
            for span in spans.values():
                rest[span] = bytes(span.stop - span.start)
            return None if any(rest) else found
    return None


def area_to_json(octets: bytes, accumulated: int) -> dict[str, Any]:
    """An area of 576 octets or more as a JSON value: its components by name, or as ``octets`` where they have none."""
    area = decode(XsaveArea, octets)
    named = named_components(area, accumulated)
    told = {"octets": area.components} if named is None else named
    return to_json(area) | {"components": {name: part.hex() for name, part in told.items()}}
