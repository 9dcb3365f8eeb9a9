"""The uncompressed XSAVE area: the FXSAVE image, a header, and components (Intel SDM volume 1, 13.4).

Only AVX stands at the same place on every processor. Where the others stand is told by CPUID and by no saved file, so
they are kept as octets.
"""

from __future__ import annotations

from typing import Annotated, Final

import attrs

from domctx.schema import U64, Array, Blob, Nested, layout
from domctx_x86.fxsave import Fxsave

AVX_SIZE: Final = 256
"""Octets of the AVX component, which is the first behind the header: the upper halves of YMM0 .. YMM15."""


@layout(source="Intel SDM volume 1, 13.4: XSAVE area")
@attrs.frozen(kw_only=True)
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
