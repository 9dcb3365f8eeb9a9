"""The state of the devices alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.errors import DomainError
from domctx_qmp.device_state import device_state, with_run_state
from domctx_qmp.monitor import Monitor
from helpers.real_qemu import BARE, RealQemu


@pytest.mark.parametrize("machine", ["pc", "q35", "microvm", "isapc", "pc-i440fx-2.3"])
def test_it_is_what_a_migration_has(machine: str, tmp_path: Path) -> None:
    """Octet for octet, up to the end of the sections; the machine stays as it stands."""
    with RealQemu(*BARE, "-machine", machine, "-m", "16", "-rtc", "clock=vm") as qemu:
        qemu.start().qmp("stop")
        numbers: list[int] = []
        with Monitor(str(qemu.socket)) as monitor:
            sections = device_state(monitor, numbers.append)
            assert len(numbers) == 1
            assert qemu.status() == "paused"
        whole = qemu.save(tmp_path / "vm.mig").read_bytes()
        start = whole.index(sections[:20])
        assert with_run_state(sections, "paused") == whole[start : start + len(sections)]


def test_a_state_without_a_run_state() -> None:
    """Stays as it is: old machine types have none."""
    assert with_run_state(b"abc", "paused") == b"abc"


def test_an_end_before_qemu_has_the_file() -> None:
    """Whoever is to undo it knows of the fdset before QEMU has it; nothing is left where all ends there, or behind."""

    class EndedError(Exception):
        """As a signal raises it."""

    def ended(number: int) -> None:
        assert qemu.qmp("query-fdsets") == []
        raise EndedError

    with RealQemu(*BARE, "-machine", "pc", "-m", "16") as qemu:
        qemu.start()
        with Monitor(str(qemu.socket)) as monitor:
            with pytest.raises(EndedError):
                device_state(monitor, ended)
            numbers: list[int] = []
            device_state(monitor, numbers.append)
            assert qemu.qmp("query-fdsets") == []
        assert len(set(numbers)) == 1


def test_what_qemu_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told, and the descriptor given back."""
    monkeypatch.setattr("domctx_qmp.device_state.COMMAND", "no-such-command")
    with RealQemu(*BARE, "-machine", "pc", "-m", "16") as qemu:
        qemu.start()
        with Monitor(str(qemu.socket)) as monitor:
            with pytest.raises(DomainError, match="QEMU refuses 'no-such-command'"):
                device_state(monitor, lambda number: None)
            assert monitor.execute("query-fdsets") == []
