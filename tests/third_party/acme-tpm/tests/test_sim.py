"""The TPM of a simulated machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from acme_tpm import StoredTpm, TpmContext
from acme_tpm.sim import FILE, SimTpm, provide

from domctx.errors import DomainError, RecordError

CONTEXT = TpmContext(3, (bytes(range(20)),) * 24, b"nvram")


class Holder:
    """A domain, as far as a provider looks at it."""

    def __init__(self, scheme: str, location: Path) -> None:
        self.scheme, self.location = scheme, str(location)


class Goal(Holder):
    """A target, as far as a provider looks at it."""

    def commit(self) -> None:
        """Nothing."""


def provided(holder: Any) -> Any:
    """What is provided for a holder."""
    return provide(holder)


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    """A TPM that was stored is read again; one that was not is None."""
    tpm = SimTpm(tmp_path / FILE)
    assert tpm.context is None
    tpm.store(CONTEXT)
    assert SimTpm(tmp_path / FILE).context == CONTEXT


def test_provided_for_simulated_machines_only(tmp_path: Path) -> None:
    """A target of scheme sim gets a TPM, a domain where it has the file, any other nothing."""
    assert provided(Holder("sim", tmp_path)) is None
    assert isinstance(provided(Goal("sim", tmp_path)), SimTpm)
    SimTpm(tmp_path / FILE).store(CONTEXT)
    assert provided(Holder("sim", tmp_path)).context == CONTEXT
    assert provided(Goal("qmp", tmp_path)) is None


def test_damaged_and_unreadable_files(tmp_path: Path) -> None:
    """A file that is cut is refused by name; so is one that the disk does not give or take."""
    (tmp_path / FILE).write_bytes(b"short")
    with pytest.raises(RecordError, match=f"{FILE}: TpmBody: the body is too short"):
        _ = SimTpm(tmp_path / FILE).context
    with pytest.raises(DomainError, match="Is a directory"):
        _ = SimTpm(tmp_path).context
    with pytest.raises(DomainError, match="No such file or directory"):
        SimTpm(tmp_path / "none" / FILE).store(CONTEXT)


def test_stored_tpm_keeps_what_was_stored() -> None:
    """A TPM in memory is empty at first."""
    tpm = StoredTpm()
    assert tpm.context is None
    tpm.store(CONTEXT)
    assert tpm.context == CONTEXT
