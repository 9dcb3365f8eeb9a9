"""The record type acme/tpm keeps the contract of domctx."""

from __future__ import annotations

from acme_tpm import StoredTpm, TpmContext
from acme_tpm.layout import DIGEST, PCRS
from acme_tpm.plugin import domctx_record_types
from hypothesis import strategies as st

from domctx.testing import RecordTypeContract

(TPM_RECORD,) = domctx_record_types()


class TestTpm(RecordTypeContract):
    """Every rule of the contract."""

    record_type = TPM_RECORD

    def states(self) -> st.SearchStrategy[StoredTpm]:
        """TPMs with some NVRAM, and one that holds nothing."""
        digests = st.lists(st.binary(min_size=DIGEST, max_size=DIGEST), min_size=PCRS, max_size=PCRS).map(tuple)
        contexts = st.builds(TpmContext, st.integers(0, 0xFFFF_FFFF), digests, st.binary(max_size=40))
        return st.builds(StoredTpm, st.none() | contexts)
