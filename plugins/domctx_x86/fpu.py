"""FXSAVE and XSAVE images as the floating-point half of ``Registers``."""

from __future__ import annotations

from typing import Any, Final

from domctx_x86.fxsave import Fxsave
from domctx_x86.xsave import XsaveArea

AVX: Final = 1 << 2
"""In ``xstate_bv``: the AVX component is not in its initial state, which is zero."""

XMM_NARROW: Final = 8
"""XMM registers of a vCPU whose registers have 32 bits."""


def fpu_fields(image: Fxsave, area: XsaveArea | None = None, *, wide: bool = True) -> dict[str, Any]:
    """``fpu``, ``fpu_control``, ``xmm`` and ``ymm`` of ``Registers``, whose docstring says what they are.

    The image lists the x87 registers from the top of the stack; ``Registers`` in their physical order.
    """
    count = len(image.xmm) if wide else XMM_NARROW
    top = image.fsw >> 11 & 7
    stack = [(register.mantissa, register.exponent) for register in image.st]
    return {
        "fpu": tuple(stack[(index - top) % 8] for index in range(8)),
        "fpu_control": {"fpuc": image.fcw, "fpus": image.fsw, "fptag": image.ftw, "mxcsr": image.mxcsr},
        "xmm": tuple(int.from_bytes(register, "little") for register in image.xmm[:count]),
        "ymm": _ymm(area, count),
    }


def _ymm(area: XsaveArea | None, count: int) -> tuple[int, ...]:
    """The upper halves; none where there is no area with room for them."""
    high = area.ymm_high if area is not None else ()
    if area is None or not area.xstate_bv & AVX:
        return (0,) * len(high[:count])
    return tuple(int.from_bytes(register, "little") for register in high[:count])
