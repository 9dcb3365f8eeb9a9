"""Between a TPM and the octets of its record."""

from __future__ import annotations

from acme_tpm.layout import MAX_NVRAM, TpmBody
from acme_tpm.stored import TpmContext
from domctx.errors import RecordError


def body_of(context: TpmContext) -> TpmBody:
    """The record's body of a TPM. Raises RecordError for more NVRAM than there can be."""
    check_nvram(len(context.nvram))
    return TpmBody(context.resets, len(context.nvram), context.pcrs, context.nvram)


def context_of(body: TpmBody) -> TpmContext:
    """The TPM in a record's body. Raises RecordError where its NVRAM is too long, or not of the length it tells."""
    check_nvram(body.nvram_length)
    if body.nvram_length != len(body.nvram):
        expected = f"0x{body.nvram_length:08x} octets"
        raise RecordError("the NVRAM has another length", expected=expected, got=f"0x{len(body.nvram):08x}")
    return TpmContext(body.resets, body.pcrs, body.nvram)


def check_nvram(length: int) -> None:
    """Raises RecordError for more NVRAM than our TPM has."""
    if length > MAX_NVRAM:
        limit = f"at most 0x{MAX_NVRAM:08x} octets"
        raise RecordError("the NVRAM is too long", expected=limit, got=f"0x{length:08x}")
