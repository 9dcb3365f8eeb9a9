"""How QEMU migrates: set for a save, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from domctx_qmp.monitor import Monitor
from domctx_qmp.settings import IGNORE_SHARED, settings_for_save
from helpers.real_qemu import BARE, RealQemu

SET = ("xbzrle", "multifd", "release-ram", "return-path", "events", "validate-uuid")


@pytest.fixture
def qemu() -> Iterator[RealQemu]:
    """A machine that stands."""
    with RealQemu(*BARE, "-machine", "pc", "-m", "16", "-S") as qemu:
        yield qemu.start()


def on(qemu: RealQemu) -> set[str]:
    """The capabilities that are switched on."""
    return {row["capability"] for row in qemu.qmp("query-migrate-capabilities") if row["state"]}


def test_what_an_operator_set_is_put_back(qemu: RealQemu) -> None:
    """What changes the stream is off meanwhile, what only describes stays; then all is as it was."""
    rows: list[dict[str, Any]] = [{"capability": name, "state": True} for name in SET]
    qemu.qmp("migrate-set-capabilities", capabilities=rows)
    qemu.qmp("migrate-set-parameters", max_bandwidth=12345678, tls_creds="nobody")
    found = qemu.qmp("query-migrate-parameters")
    with Monitor(str(qemu.socket)) as monitor:
        wanted, undo = settings_for_save(monitor, (IGNORE_SHARED,))
        wanted.apply(monitor)
        assert on(qemu) == {"events", "validate-uuid", IGNORE_SHARED}
        changed = qemu.qmp("query-migrate-parameters")
        assert (changed["max-bandwidth"], changed["tls-creds"]) == (1 << 40, "")
        assert undo.told()["parameters"] == {"max-bandwidth": 12345678, "tls-creds": "nobody"}
        undo.apply(monitor)
        assert on(qemu) == set(SET)
        assert qemu.qmp("query-migrate-parameters") == found


def test_nothing_to_change(qemu: RealQemu) -> None:
    """Is nothing to set, and nothing to put back."""
    qemu.qmp("migrate-set-parameters", max_bandwidth=1 << 40)
    with Monitor(str(qemu.socket)) as monitor:
        for settings in settings_for_save(monitor, ()):
            assert settings.told() == {"capabilities": [], "parameters": {}}
            settings.apply(monitor)
