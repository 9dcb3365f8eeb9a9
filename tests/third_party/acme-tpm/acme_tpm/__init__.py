"""The state of a virtual TPM."""

from acme_tpm.stored import TPM, StoredTpm, Tpm, TpmContext

__all__ = ["TPM", "StoredTpm", "Tpm", "TpmContext"]
