"""How QEMU migrates: set for one save, and put back afterwards (formats/qemu.md 8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from domctx.values import frozen
from domctx_qmp.monitor import Monitor

KEPT: Final = frozenset(("events", "validate-uuid", "late-block-activate", "auto-converge"))
"""Capabilities that do not change what is sent, or only add what describes the machine. All others are switched off:
they pack or split pages, send what is no state, want an answer from the other side, or give up the guest's memory.
"""
IGNORE_SHARED: Final = "x-ignore-shared"
FASTEST: Final = 1 << 40
"""Octets in a second: no limit."""
BANDWIDTH: Final = "max-bandwidth"
PARAMETERS: Final[Mapping[str, object]] = {BANDWIDTH: FASTEST, "tls-creds": ""}
"""What is set for a save; nothing of it leaves the host."""


@frozen
class Settings:
    """Capabilities and parameters, as the commands take them that set them."""

    capabilities: tuple[Mapping[str, Any], ...] = ()
    parameters: Mapping[str, Any] = attrs.field(factory=dict)

    def apply(self, monitor: Monitor) -> None:
        """Set them. Raises DomainError where QEMU refuses."""
        if self.capabilities:
            monitor.execute("migrate-set-capabilities", {"capabilities": list(self.capabilities)})
        if self.parameters:
            monitor.execute("migrate-set-parameters", dict(self.parameters))

    def told(self) -> dict[str, Any]:
        """For the guardian."""
        return {"capabilities": list(self.capabilities), "parameters": dict(self.parameters)}


def settings_for_save(monitor: Monitor, wanted: Iterable[str]) -> tuple[Settings, Settings]:
    """What must be set for a plain stream with the capabilities ``wanted``, and what puts it back."""
    on = {row["capability"]: bool(row["state"]) for row in monitor.execute("query-migrate-capabilities")}
    wish = {name: name in wanted or (state and name in KEPT) for name, state in on.items()}
    changed = [name for name, state in on.items() if state != wish[name]]
    found = monitor.execute("query-migrate-parameters")
    parameters = {name: value for name, value in PARAMETERS.items() if found.get(name, value) != value}
    return (
        Settings(_states(changed, wish), parameters),
        Settings(_states(changed, on), {name: found[name] for name in parameters}),
    )


def _states(names: Iterable[str], states: Mapping[str, bool]) -> tuple[Mapping[str, Any], ...]:
    return tuple({"capability": name, "state": states[name]} for name in names)
