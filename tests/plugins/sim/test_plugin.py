"""Tests of domctx_sim.plugin: the scheme ``sim:`` as the core sees it, and whole roads through images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import domctx_sim
from domctx.cli.run import run
from domctx.schema import decode
from domctx_shared_info.layout import SharedInfo2004
from domctx_sim import plugin
from helpers.machines import built, changed, suspend_itself, told_of


def test_what_it_adds() -> None:
    """The plugin adds the scheme, which is opened, created and updated, and two commands."""
    (format_,) = plugin.domctx_formats()
    assert (format_.scheme, [option.name for option in format_.options]) == ("sim", ["seed"])
    assert None not in (format_.open, format_.create, format_.update)
    assert format_.write is None
    assert [command.name for command in plugin.domctx_commands()] == ["build", "make-guest"]


def test_imports_little() -> None:
    """Importing the entry point imports neither numpy nor click nor rich nor zstd."""
    program = (
        "import sys, domctx_sim.plugin\n"
        "print([name for name in ('numpy', 'click', 'rich', 'zstd', 'cbor2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"[]\n"


def test_public_names() -> None:
    """The package gives its public names when they are asked for, and no others."""
    for name in ("Dom0", "KernelImage", "Machine", "Order", "SimDomain", "SimTarget", "SimUpdate"):
        assert getattr(domctx_sim, name).__name__ == name
    for name in ("build_machine", "make_guest", "read_image"):
        assert callable(getattr(domctx_sim, name))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        assert domctx_sim.nothing


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder that holds a small domain, ``m1``."""
    built(tmp_path / "m1", initrd=b"initrd" * 2000, command_line="ro")
    return tmp_path


def test_through_an_image(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A domain that is saved, loaded into other frames and saved again is the same in both images."""
    assert run(["save", f"sim:{small / 'm1'}", str(small / "a.dctx")]) == 0
    assert run(["verify", str(small / "a.dctx")]) == 0
    assert run(["load", str(small / "a.dctx"), f"sim:{small / 'm2'}", "-O", "seed=9"]) == 0
    assert run(["save", f"sim:{small / 'm2'}", str(small / "b.dctx")]) == 0
    assert run(["diff", str(small / "a.dctx"), str(small / "b.dctx")]) == 0
    assert run(["diff", f"sim:{small / 'm1'}", f"sim:{small / 'm2'}"]) == 0
    assert told_of(small / "m1") == told_of(small / "m2")


def test_one_changed_word(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``diff`` finds one word that the guest changed."""
    assert run(["convert", f"sim:{small / 'm1'}", f"sim:{small / 'm2'}"]) == 0
    with changed(small / "m2") as machine:
        page = machine.frames.read(machine.table.owned(1)[:1])
        page[0, 5] ^= 1 << 12
        machine.frames.write(machine.table.owned(1)[:1], page)
    assert run(["diff", f"sim:{small / 'm1'}", f"sim:{small / 'm2'}"]) == 1


def test_a_guest_that_suspended_itself(small: Path) -> None:
    """A domain that suspended itself goes through an image as one that did not."""
    suspend_itself(small / "m1")
    assert run(["save", f"sim:{small / 'm1'}", str(small / "a.dctx")]) == 0
    assert run(["load", str(small / "a.dctx"), f"sim:{small / 'm2'}"]) == 0
    assert told_of(small / "m1") == told_of(small / "m2")


def test_plain_images(small: Path) -> None:
    """A plain v10 image of one machine updates another one: it holds the clock and what Xen keeps of shared_info."""
    with changed(small / "m1") as machine:
        tsc = machine.domain.tsc
        assert tsc is not None
        machine.domain.tsc = type(tsc)(mode=1, khz=7, nsec=8, incarnation=9)
    built(small / "m2", command_line="ro", initrd=b"initrd" * 2000)
    before = told_of(small / "m2")
    assert run(["save", "--plain-xen", f"sim:{small / 'm1'}", str(small / "a.v10")]) == 0
    assert run(["load", str(small / "a.v10"), f"sim:{small / 'm2'}"]) == 0
    after = told_of(small / "m2")
    masked = decode(SharedInfo2004, after["shared_info"].page[:716]).evtchn_mask
    assert set(masked) == {0xFFFF_FFFF}
    changes = {"clock": told_of(small / "m1")["clock"], "shared_info": after["shared_info"]}
    assert after == before | changes


def test_a_damaged_image_leaves_nothing(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An image with one bit changed makes no machine."""
    assert run(["save", f"sim:{small / 'm1'}", str(small / "a.dctx")]) == 0
    octets = bytearray((small / "a.dctx").read_bytes())
    octets[len(octets) // 2] ^= 1
    (small / "a.dctx").write_bytes(octets)
    assert run(["load", str(small / "a.dctx"), f"sim:{small / 'm2'}"]) != 0
    assert sorted(path.name for path in small.iterdir()) == ["a.dctx", "m1"]


def test_a_machine_in_use(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A machine that is being changed cannot be saved."""
    with changed(small / "m1"):
        assert run(["save", f"sim:{small / 'm1'}", str(small / "a.dctx")]) == 6
    assert "the machine is in use" in capsys.readouterr().err
    assert not (small / "a.dctx").exists()
