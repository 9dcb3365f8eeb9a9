"""The TPM of a simulated machine: a file in the machine's folder, which domctx itself knows nothing of."""

from __future__ import annotations

from pathlib import Path

from acme_tpm.body import body_of, context_of
from acme_tpm.layout import TpmBody
from acme_tpm.stored import Tpm, TpmContext
from domctx import Domain, Target
from domctx.errors import DomctxError
from domctx.publish import refused
from domctx.schema import decode, encode

FILE = "acme-tpm.bin"


class SimTpm:
    """TPM over the file. The folder of a target is published as a whole, so the file is simply written into it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def context(self) -> TpmContext | None:
        """What the file holds; None where there is none. Raises DomctxError for a file that cannot be."""
        try:
            octets = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refused(error, self.path) from error
        try:
            return context_of(decode(TpmBody, octets))
        except DomctxError as error:
            raise error.at(file=str(self.path)) from error.__cause__

    def store(self, context: TpmContext) -> None:
        """Write the file. Raises DomainError where the disk refuses."""
        try:
            self.path.write_bytes(encode(body_of(context)))
        except OSError as error:
            raise refused(error, self.path) from error


def provide(holder: Domain | Target) -> Tpm | None:
    """The TPM of a simulated machine: of one that is loaded into always, of one that is there where it has a file."""
    if holder.scheme != "sim":
        return None
    tpm = SimTpm(Path(holder.location) / FILE)
    return tpm if hasattr(holder, "commit") or tpm.path.exists() else None
