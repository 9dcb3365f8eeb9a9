"""The FXSAVE image: x87, MMX and SSE registers in 512 octets (Intel SDM volume 1, 10.5; 64-bit form)."""

from typing import Annotated, Final

from domctx.schema import U8, U16, U32, U64, Array, Bytes, layout
from domctx.values import frozen

FXSAVE_SIZE: Final = 512
"""Octets of the image."""


@layout(source="Intel SDM volume 1, 10.5.1: ST0/MM0 .. ST7/MM7")
@frozen
class X87Register:
    """A register of the x87 stack, of which the low 64 bits are an MMX register."""

    mantissa: Annotated[int, U64("the mantissa, or MM0 .. MM7")]
    exponent: Annotated[int, U16("sign and exponent")]
    unused: Annotated[bytes, Bytes(6, "kept as they are found")]


@layout(source="Intel SDM volume 1, 10.5.1: FXSAVE area, 64-bit mode with REX.W")
@frozen(kw_only=True)
class Fxsave:
    """The image, whatever octets it is made of: reserved ones are kept."""

    fcw: Annotated[int, U16("control word")]
    fsw: Annotated[int, U16("status word")]
    ftw: Annotated[int, U8("abridged tag word: a bit for each register in use")]
    unused: Annotated[bytes, Bytes(1, "reserved; kept")]
    fop: Annotated[int, U16("opcode of the last instruction")]
    fip: Annotated[int, U64("the last instruction; in the 32-bit form offset, selector, reserved", unit="offset")]
    fdp: Annotated[int, U64("its operand; in the 32-bit form offset, selector, reserved", unit="offset")]
    mxcsr: Annotated[int, U32("SSE control and status")]
    mxcsr_mask: Annotated[int, U32("the bits of MXCSR that the processor has", unit="mask")]
    st: Annotated[tuple[X87Register, ...], Array(X87Register, 8, "ST0 .. ST7, from the top of the stack")]
    xmm: Annotated[tuple[bytes, ...], Array(Bytes(16, "a register, low octet first"), 16, "XMM0 .. XMM15")]
    reserved: Annotated[bytes, Bytes(48, "reserved; kept")]
    available: Annotated[bytes, Bytes(48, "the software's own; XSAVE says here how it was written")]
