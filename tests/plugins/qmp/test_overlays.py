"""Overlays that a real QEMU makes, or refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from domctx.errors import DomainError
from domctx_qmp.live_disks import LiveDisk, live_disks
from domctx_qmp.monitor import Monitor
from domctx_qmp.overlays import make_overlays, plan
from helpers.qemu_disks import chain_of, make_disk
from helpers.real_qemu import BARE, RealQemu


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two disks, ``a.img`` and ``b/b.qcow2``."""
    make_disk(tmp_path / "a.img", "raw")
    make_disk(tmp_path / "b" / "b.qcow2")
    return tmp_path


@pytest.fixture
def monitor(folder: Path) -> Iterator[Monitor]:
    """A QEMU that has both."""
    line = [part for name in ("a.img", "b/b.qcow2") for part in ("-drive", f"if=virtio,file={folder / name}")]
    with RealQemu(*BARE, "-S", "-m", "16", *line) as qemu, Monitor(str(qemu.start().socket)) as monitor:
        yield monitor


def test_all_or_none(folder: Path, monitor: Monitor) -> None:
    """Where one cannot be made, those that were made are taken away again, and the disks are in place as before."""
    before = live_disks(monitor)
    path = folder / "b" / "b.qcow2"
    absent = LiveDisk("virtio1", before[1].node, "qcow2", before[1].size, (str(folder / "gone" / path.name),))
    with pytest.raises(DomainError, match=r"QEMU cannot make an overlay; got .*No such file"):
        make_overlays(monitor, [before[0], absent])
    assert live_disks(monitor) == before
    assert sorted(found.name for found in folder.rglob("*.*")) == ["a.img", "b.qcow2"]
    assert make_overlays(monitor, before[:1]).keys() == {"virtio0"}


def test_an_overlay_is_based_on_name_and_format(folder: Path, monitor: Monitor) -> None:
    """The base's own format stands in it, so that a raw disk is never taken for what a guest writes to it."""
    made = make_overlays(monitor, live_disks(monitor))
    images = [chain_of(Path(path)) for path in made.values()]
    assert [chain[0]["backing-filename-format"] for chain in images] == ["raw", "qcow2"]
    assert [chain[0]["full-backing-filename"] for chain in images] == [str(folder / "a.img"), str(folder / "b/b.qcow2")]
    assert [chain[0]["virtual-size"] for chain in images] == [8 << 20] * 2


def test_an_overlay_has_a_name_that_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that exists is passed over."""
    names = iter(["00", "11"])
    monkeypatch.setattr("secrets.token_hex", lambda size: next(names))
    (tmp_path / "d.00.qcow2").touch()
    assert plan(LiveDisk("hda", "node", "raw", 512, (str(tmp_path / "d.img"),))).path == str(tmp_path / "d.11.qcow2")


@pytest.mark.parametrize(
    "disk",
    [
        LiveDisk("hda", "node", "raw", 512, ("/d.img",), plain=False),
        LiveDisk("hda", "node", "raw", 512, ("d.img",)),
        LiveDisk("hda", "node", "luks", 512, ("/d.img",)),
    ],
)
def test_what_gets_no_overlay(disk: LiveDisk) -> None:
    """A disk that name and format do not describe, whose folder is not known, or that needs a secret."""
    with pytest.raises(DomainError, match="disk hda is no plain file, and gets no overlay; got"):
        plan(disk)
