"""HVM_PARAMS: between the state and the record's body."""

from __future__ import annotations

from collections.abc import Sequence

from domctx.errors import RecordError
from domctx.schema import decode, encode, size_of
from domctx_hvm.layout import MAX_PARAMS, Param, ParamsBody


def body_of(params: Sequence[tuple[int, int]]) -> ParamsBody:
    """The record's body of the parameters. Raises RecordError for too many."""
    check_count(len(params))
    return ParamsBody(count=len(params), params=b"".join(encode(Param(index, value)) for index, value in params))


def params_of(body: ParamsBody) -> tuple[tuple[int, int], ...]:
    """The parameters in a record's body. Raises RecordError for too many, or not as many as the body says."""
    check_count(body.count)
    size = size_of(Param)
    if len(body.params) != body.count * size:
        expected = f"0x{body.count * size:08x} octets"
        raise RecordError(
            "the parameters are not as many as they say", expected=expected, got=f"0x{len(body.params):08x}"
        )
    pairs = (decode(Param, body.params[place : place + size]) for place in range(0, len(body.params), size))
    return tuple((pair.index, pair.value) for pair in pairs)


def check_count(count: int) -> None:
    """Raise RecordError for more parameters than a record holds."""
    if count > MAX_PARAMS:
        limit = f"at most 0x{MAX_PARAMS:08x}"
        raise RecordError("there are too many HVM parameters", expected=limit, got=f"0x{count:08x}")
