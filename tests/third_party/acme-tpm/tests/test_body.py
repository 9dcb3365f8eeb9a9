"""What a TPM's body is held to."""

from __future__ import annotations

import pytest
from acme_tpm import TpmContext
from acme_tpm.body import body_of, context_of
from acme_tpm.layout import MAX_NVRAM, TpmBody

from domctx.errors import RecordError
from domctx.schema import size_of

PCRS = (bytes(20),) * 24


def test_size() -> None:
    """The fixed part takes 4 + 4 + 24 * 20 octets."""
    assert size_of(TpmBody) == 488


def test_nvram_is_bounded_both_ways() -> None:
    """More NVRAM than there can be is neither saved nor loaded."""
    with pytest.raises(RecordError, match="the NVRAM is too long; expected at most 0x00010000 octets, got 0x00010001"):
        body_of(TpmContext(0, PCRS, bytes(MAX_NVRAM + 1)))
    with pytest.raises(RecordError, match="the NVRAM is too long"):
        context_of(TpmBody(0, MAX_NVRAM + 1, PCRS, b""))


def test_nvram_has_the_length_that_is_told() -> None:
    """An NVRAM of another length than the body tells is refused."""
    with pytest.raises(RecordError, match="another length; expected 0x00000002 octets, got 0x00000001"):
        context_of(TpmBody(0, 2, PCRS, b"x"))
