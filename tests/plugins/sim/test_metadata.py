"""Tests of domctx_sim.metadata: the description of a machine's domain, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from domctx.errors import DomainError
from domctx.states import TscContext
from domctx_sim import metadata
from domctx_sim.metadata import NAME, DomainRecord
from domctx_sim.platforms import FOUR_LEVEL, PAE_TODAY, TWO_LEVEL, Platform
from helpers.machines import built

TSC = TscContext(mode=1, khz=2, nsec=1 << 40, incarnation=4)
FULL = DomainRecord(
    id=1,
    name="full",
    shared_info_frame=200,
    run_state="suspended",
    vifs=3,
    command_line="console=ttyS0",
    context=bytes(range(256)) * 9 + bytes(212),
    reserved=77,
    frame_list=(4, 9),
    tsc=TSC,
    pins_known=False,
)


@pytest.mark.parametrize("domain", [None, FULL, DomainRecord(id=2, name="", shared_info_frame=0)])
def test_what_is_written_is_read(tmp_path: Path, domain: DomainRecord | None) -> None:
    """A description comes back as it was written."""
    metadata.write(tmp_path, domain)
    assert metadata.read(tmp_path) == (TWO_LEVEL, domain)


def test_processor_of_a_built_domain(tmp_path: Path) -> None:
    """The processor's base and LDT can be changed; before the domain is built there is no processor."""
    _, domain = metadata.read(built(tmp_path / "m"))
    assert domain is not None
    former = domain.cpu.pt_base >> 12
    assert domain.set_base(0x4321) == former
    domain.set_ldt(0xC000_0000, 9)
    assert (domain.cpu.pt_base, domain.cpu.ldt_base, domain.cpu.ldt_ents) == (0x432_1000, 0xC000_0000, 9)
    with pytest.raises(DomainError, match="not built yet"):
        assert DomainRecord(id=1, name="", shared_info_frame=0).cpu


def test_folders_without_a_machine(tmp_path: Path) -> None:
    """A folder without the file, and a file that is a folder, are refused."""
    with pytest.raises(DomainError, match="holds no simulated machine"):
        metadata.read(tmp_path)
    (tmp_path / NAME).mkdir()
    with pytest.raises(DomainError, match="Is a directory"):
        metadata.read(tmp_path)


@pytest.mark.parametrize(
    "octets",
    [b"", b"\xff", b"[]", b"{}", b'{"format": 2, "domain": null}', b'{"format": 1}', b"[" * 60000, b" " * 70000],
)
def test_files_that_are_no_description(tmp_path: Path, octets: bytes) -> None:
    """Octets that are no JSON, too deep, too long, or of another format are refused."""
    (tmp_path / NAME).write_bytes(octets)
    with pytest.raises(DomainError, match="not the description"):
        metadata.read(tmp_path)


BAD: dict[str, list[Any]] = {
    "id": [0, 0xFFFF, "1", True],
    "name": ["x" * 16, "ä", "a\0", 5],
    "shared_info_frame": [-1, 256],
    "run_state": ["dying", 1, ["paused"]],
    "vifs": [9, -1],
    "command_line": ["x" * 256, None],
    "context": ["00", "zz" * 2516, 5],
    "reserved": [1 << 20, "1"],
    "frame_list": [5, [1 << 20], list(range(1025))],
    "tsc": [5, {}, {"mode": 0, "khz": 0, "nsec": 1 << 64, "incarnation": 0}],
    "pins_known": [0, None],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values])
def test_bad_fields(tmp_path: Path, key: str, value: Any) -> None:
    """Each field is bounded, and a bad one is named."""
    metadata.write(tmp_path, FULL)
    content = json.loads((tmp_path / NAME).read_text())
    content["domain"][key] = value
    (tmp_path / NAME).write_text(json.dumps(content))
    with pytest.raises(DomainError, match=f"bad {key}; got"):
        metadata.read(tmp_path)


def test_every_field_is_checked() -> None:
    """No field of the description goes unchecked."""
    assert set(BAD) == {field.name for field in attrs.fields(DomainRecord)} - {"platform"}


@pytest.mark.parametrize("domain", [[], "x", {}, {"id": 1}])
def test_wrong_fields(tmp_path: Path, domain: Any) -> None:
    """A description with other fields is refused."""
    (tmp_path / NAME).write_text(json.dumps({"format": 1, "domain": domain}))
    with pytest.raises(DomainError, match="wrong fields"):
        metadata.read(tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 6000), octet=st.integers(0, 255))
def test_any_damage_is_told_or_harmless(tmp_path: Path, place: int, octet: int) -> None:
    """A file with one octet changed is refused with a DomainError, or still describes a domain within its bounds."""
    metadata.write(tmp_path, FULL)
    octets = bytearray((tmp_path / NAME).read_bytes())
    octets[place % len(octets)] = octet
    (tmp_path / NAME).write_bytes(octets)
    try:
        _, domain = metadata.read(tmp_path)
    except DomainError:
        return
    assert domain is None or len(domain.context) in (0, 2516)


@pytest.mark.parametrize("platform", [PAE_TODAY, FOUR_LEVEL])
def test_machines_of_today(tmp_path: Path, platform: Platform) -> None:
    """The description says which kind of machine it is, and holds its domain to the bounds of that kind."""
    octets = {PAE_TODAY: 2800, FOUR_LEVEL: 5168}[platform]
    given: dict[str, Any] = {"frame_list": (1, (1 << 22) - 1), "reserved": 1 << 21, "context": bytes(octets)}
    domain = DomainRecord(platform=platform, id=1, name="n" * 255, shared_info_frame=3, **given)
    metadata.write(tmp_path, domain, platform)
    assert metadata.read(tmp_path) == (platform, domain)
    domain.context = bytes(2516)
    with pytest.raises(DomainError, match="bad context"):
        metadata.write(tmp_path, domain, platform)


@pytest.mark.parametrize("head", [{"format": 2}, {"format": 2, "paging": "5-level"}, {"format": 2, "paging": []}])
def test_kinds_that_are_not_known(tmp_path: Path, head: dict[str, Any]) -> None:
    """A description of today that does not name a known kind of machine is refused."""
    (tmp_path / NAME).write_text(json.dumps({**head, "domain": None}))
    with pytest.raises(DomainError, match="not the description of a simulated machine"):
        metadata.read(tmp_path)
