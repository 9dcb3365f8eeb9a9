"""The TPM as a state of a domain: its interface, its key, and one in memory."""

from __future__ import annotations

from typing import Protocol

import attrs

from domctx import StateKey


@attrs.frozen
class TpmContext:
    """All that a TPM keeps: ``resets`` counts resets, ``pcrs`` are 24 digests of 20 octets, ``nvram`` its octets."""

    resets: int
    pcrs: tuple[bytes, ...]
    nvram: bytes = b""


class Tpm(Protocol):
    """The TPM of a domain."""

    @property
    def context(self) -> TpmContext | None:
        """What the TPM keeps; None where nothing was stored yet."""

    def store(self, context: TpmContext) -> None:
        """Take what a TPM keeps. Raises DomctxError where it cannot."""


TPM: StateKey[Tpm] = StateKey("acme/tpm")


class StoredTpm:
    """TPM that keeps what was stored."""

    def __init__(self, context: TpmContext | None = None) -> None:
        self._context = context

    @property
    def context(self) -> TpmContext | None:
        """What was stored; None where nothing was."""
        return self._context

    def store(self, context: TpmContext) -> None:
        """Take it."""
        self._context = context
