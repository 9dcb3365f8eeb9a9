"""What a machine of today keeps for its guest and makes no use of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from domctx.api import StateKey
from domctx.errors import DomainError
from domctx.states import FOREIGN_HEAD, FOREIGN_TAIL, ForeignPart
from domctx_cpu.states import CPU_EXTENDED, CPU_MSRS, CPU_XSAVE
from domctx_sim import kept
from domctx_sim.kept import NAME, Kept
from domctx_sim.platforms import FOUR_LEVEL
from domctx_sim.target import SimTarget
from helpers.machines import Saved, built, opened, require

KEYS: tuple[StateKey[Any], ...] = (CPU_EXTENDED, CPU_XSAVE, CPU_MSRS, FOREIGN_HEAD, FOREIGN_TAIL)


def something() -> Kept:
    """All states but one."""
    found = Kept()
    found.parts[CPU_EXTENDED].store(0, b"extended")
    found.parts[CPU_XSAVE].store(0, bytes(range(256)))
    found.foreign[FOREIGN_HEAD].store(ForeignPart("xen", "xl header", b"\0\xff"))
    found.foreign[FOREIGN_HEAD].store(ForeignPart("xen", "place", b""))
    found.foreign[FOREIGN_TAIL].store(ForeignPart("xen", "behind the stream", b"tail"))
    return found


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Parts and foreign parts come back in their order; the states that hold nothing are not owned."""
    kept.write(tmp_path, something())
    back = kept.read(tmp_path)
    assert back.owned == (CPU_EXTENDED, CPU_XSAVE, FOREIGN_HEAD, FOREIGN_TAIL)
    assert [state.parts for state in back.states.values()] == [state.parts for state in something().states.values()]


def test_nothing_is_kept_in_no_file(tmp_path: Path) -> None:
    """A machine that keeps nothing has no file for it."""
    kept.write(tmp_path, Kept())
    assert not (tmp_path / NAME).exists()
    assert kept.read(tmp_path).owned == ()


def test_a_domain_owns_what_is_kept(tmp_path: Path) -> None:
    """What is loaded into a machine is told when it is opened, and cannot be changed then."""
    target = SimTarget(str(tmp_path / "copy"), seed=5)
    found = Saved.of(built(tmp_path / "m", platform=FOUR_LEVEL))
    target.prepare(found.description)
    found.hand_over(target)
    for key, state in something().states.items():
        for part in state.parts.items() if hasattr(state.parts, "items") else ((each,) for each in state.parts):
            require(target, key).store(*part)
    target.commit()
    with opened(tmp_path / "copy") as domain:
        assert set(KEYS) & set(domain.owned_states()) == set(KEYS) - {CPU_MSRS}
        assert require(domain, FOREIGN_HEAD).parts == something().foreign[FOREIGN_HEAD].parts
        assert require(domain, CPU_EXTENDED).parts == {0: b"extended"}
        with pytest.raises(DomainError, match="what is kept of the source format"):
            require(domain, FOREIGN_HEAD).store(ForeignPart("xen", "x", b""))
        with pytest.raises(DomainError, match="what is kept of the processor"):
            require(domain, CPU_XSAVE).store(0, b"")


def test_a_machine_of_2004_keeps_nothing(tmp_path: Path) -> None:
    """It has no such states, neither to be written nor to be read."""
    target = SimTarget(str(tmp_path / "copy"))
    target.prepare(Saved.of(built(tmp_path / "m")).description)
    assert [target.state(key) for key in KEYS] == [None] * len(KEYS)
    target.abort()


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More octets than the file may have are refused, naming the states and how to leave them out."""
    monkeypatch.setattr(kept, "LIMIT", 100)
    with pytest.raises(
        DomainError, match="more is to be kept than a machine has room for: cpu_extended, cpu_xsave"
    ) as it:
        kept.write(tmp_path, something())
    assert it.value.hint is not None
    assert "--drop" in it.value.hint
    (tmp_path / NAME).write_bytes(b" " * 101)
    with pytest.raises(DomainError, match="not what a simulated machine keeps"):
        kept.read(tmp_path)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b"[" * 10000, b'{"cpu_extended": {"0": 5}}'])
def test_damage_is_told(tmp_path: Path, text: bytes) -> None:
    """A file that is something else is refused by its name."""
    (tmp_path / NAME).write_bytes(text)
    with pytest.raises(DomainError, match="not what a simulated machine keeps") as caught:
        kept.read(tmp_path)
    assert caught.value.file == str(tmp_path / NAME)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder in the file's place is refused."""
    (tmp_path / NAME).mkdir()
    with pytest.raises(DomainError, match="Is a directory"):
        kept.read(tmp_path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 1 << 16), octet=st.integers(0, 255))
def test_any_damage_is_told_or_harmless(tmp_path: Path, place: int, octet: int) -> None:
    """A file with one octet changed is refused with a DomainError, or still holds parts of the right types."""
    kept.write(tmp_path, something())
    octets = bytearray((tmp_path / NAME).read_bytes())
    octets[place % len(octets)] = octet
    (tmp_path / NAME).write_bytes(octets)
    try:
        found = kept.read(tmp_path)
    except DomainError:
        return
    assert all(isinstance(octets, bytes) for state in found.parts.values() for octets in state.parts.values())
