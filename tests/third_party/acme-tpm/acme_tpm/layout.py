"""The body of an acme/tpm record."""

from __future__ import annotations

from typing import Annotated, Final

import attrs

from domctx.schema import U32, Array, Blob, Bytes, layout

PCRS: Final = 24
"""Platform configuration registers of a TPM 1.2 in a PC."""
DIGEST: Final = 20
"""Octets of a SHA-1 digest."""
MAX_NVRAM: Final = 64 << 10
"""Octets of non-volatile memory that our TPM has at most."""


@layout(source="TCG PC Client Implementation for BIOS 1.21: 24 PCRs of a SHA-1 digest each; the NVRAM is our own")
@attrs.frozen
class TpmBody:
    """The body of an acme/tpm record: 488 octets, and the NVRAM."""

    resets: Annotated[int, U32("how often the TPM was reset", unit="resets")]
    nvram_length: Annotated[int, U32("length of the NVRAM", unit="octets")]
    pcrs: Annotated[tuple[bytes, ...], Array(Bytes(DIGEST, "a SHA-1 digest"), PCRS, "the registers, PCR 0 first")]
    nvram: Annotated[bytes, Blob("the NVRAM, to the end of the body")]
