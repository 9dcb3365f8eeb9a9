"""The run states in which a guest may be found, and what a save may do then."""

from __future__ import annotations

from typing import Final

from domctx.errors import DomainError

RUNNING: Final = "running"
POSTMIGRATE: Final = "postmigrate"

STANDING: Final = frozenset(
    ("paused", "prelaunch", "debug", "io-error", "internal-error", "guest-panicked", "watchdog", "shutdown")
)
"""States in which no vCPU runs, and from which QEMU lets a guest be migrated; it is never run."""

ENDED: Final = frozenset(("shutdown", "internal-error"))
"""Those of them from which QEMU lets a guest go on only after a reset; in ``postmigrate`` it no longer minds."""

REFUSED: Final = {
    "inmigrate": "it waits for a state to be loaded, and has none",
    POSTMIGRATE: "a migration has taken its state already; continue it first (cont)",
    "finish-migrate": "it is being migrated",
    "colo": "it is being replicated",
    "restore-vm": "a snapshot is being loaded",
    "save-vm": "a snapshot is being saved",
    "suspended": "it sleeps, and saving would wake it; wake it first (system_wakeup)",
}


def check(status: str, name: str) -> None:
    """Raise DomainError where a guest found in ``status`` cannot be saved as it is."""
    if status == RUNNING or status in STANDING:
        return
    why = REFUSED.get(status, "nothing is known of that state")
    raise DomainError("the guest cannot be saved", file=name, got=f"run state {status!r}: {why}")
