"""Disks of a real QEMU: noted, and given overlays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domctx.cli.run import run
from domctx.errors import DomainError
from domctx_disks import DiskFile
from domctx_disks.body import to_body
from domctx_qmp.disks import DiskKeeper, told
from domctx_qmp.live_disks import live_disks
from domctx_qmp.monitor import Monitor
from helpers.qemu_disks import chain_of, make_disk, qemu_img
from helpers.real_qemu import BARE, RealQemu


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two disks: ``d.qcow2``, based on ``base.qcow2``, and ``sub/r.img``."""
    monkeypatch.chdir(tmp_path)
    make_disk(tmp_path / "d.qcow2", base=make_disk(tmp_path / "base.qcow2"))
    make_disk(tmp_path / "sub" / "r.img", "raw")
    make_disk(tmp_path / "cd.img", "raw")
    return tmp_path


DRIVES = (
    *("-drive", "file=d.qcow2,if=virtio,format=qcow2"),
    *("-blockdev", "raw,file.driver=file,file.filename=sub/r.img,node-name=rr", "-device", "virtio-blk,drive=rr,id=rd"),
    *("-drive", "file=cd.img,if=ide,media=cdrom,format=raw", "-device", "floppy"),
)
"""Two disks by relative names, a read-only one, and a drive without a medium."""
DEVICE = "/machine/peripheral/rd/virtio-backend"


@pytest.fixture
def qemu(folder: Path) -> Iterator[RealQemu]:
    """A machine that stands, with these disks."""
    with RealQemu(*BARE, "-S", "-m", "16", *DRIVES) as qemu:
        yield qemu.start()


@pytest.fixture
def monitor(qemu: RealQemu) -> Iterator[Monitor]:
    """A connection to it."""
    with Monitor(str(qemu.socket)) as monitor:
        yield monitor


def keeper(monitor: Monitor, how: str, notes: list[str], *, moves_on: bool = False) -> DiskKeeper:
    """A keeper that tells its notes there."""
    return DiskKeeper(monitor, how, moves_on=moves_on, note=notes.append)


def migrated(qemu: RealQemu) -> None:
    """The machine's state goes to a file, and its disks are let go of."""
    qemu.save(qemu.folder / "stream")


def test_disks_are_noted_with_all_that_they_are_based_on(folder: Path, qemu: RealQemu, monitor: Monitor) -> None:
    """Absolute names, sizes and times of those that the guest can write to; nothing is said, and no file changes."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    notes: list[str] = []
    kept = keeper(monitor, "note", notes)
    kept.before_migration()
    migrated(qemu)
    state = kept.after_migration()
    assert kept.wanted
    assert state is not None
    assert state.context is not None
    assert state.context.moved_on is False
    first, second = state.context.disks
    assert (first.name, first.format, first.overlay) == ("virtio0", "qcow2", None)
    assert (second.name, second.format, second.overlay) == (DEVICE, "raw", None)
    names = [*(file.path for file in first.files), *(file.path for file in second.files)]
    assert names == [str(folder / name) for name in ("d.qcow2", "base.qcow2", "sub/r.img")]
    for file in (*first.files, *second.files):
        assert (file.size, file.mtime) == (os.stat(file.path).st_size, before[Path(file.path)])
    assert notes == []
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")} == before


def test_a_guest_that_goes_on_makes_the_note_void_and_that_is_said(qemu: RealQemu, monitor: Monitor) -> None:
    """The image is good only with a copy of the disks, which are named."""
    notes: list[str] = []
    state = keeper(monitor, "note", notes, moves_on=True).after_migration()
    assert state is not None
    assert state.context is not None
    assert state.context.moved_on
    (note,) = notes
    assert f"the guest goes on and writes to its disks (virtio0, {DEVICE}): the image is good only with a copy" in note


def test_overlays_keep_the_disks_as_they_were(folder: Path, qemu: RealQemu, monitor: Monitor) -> None:
    """Each disk gets its own, based on it by an absolute name; what the guest writes later goes there."""
    qemu.hmp('qemu-io virtio0 "write -P 0x11 0 64k"')
    notes: list[str] = []
    kept = keeper(monitor, "overlay", notes, moves_on=True)
    kept.before_migration()
    migrated(qemu)
    state = kept.after_migration()
    assert state is not None
    assert state.context is not None
    assert not state.context.moved_on
    noted = {file.path: file for disk in state.context.disks for file in disk.files}
    assert list(noted) == [str(folder / name) for name in ("d.qcow2", "base.qcow2", "sub/r.img")]
    overlays = [Path(disk.overlay.path) for disk in state.context.disks if disk.overlay is not None]
    assert [path.parent for path in overlays] == [folder, folder / "sub"]
    qemu.qmp("cont")
    for disk in live_disks(monitor):
        assert "error" not in qemu.hmp(f'qemu-io {disk.node} "write -P 0x77 0 64k"').lower()
    assert [disk.files[0] for disk in live_disks(monitor)] == [str(path) for path in overlays]
    qemu.stop()
    assert [told(name) for name in noted] == list(noted.values())
    chains = [[Path(image["filename"]) for image in chain_of(path)] for path in overlays]
    assert chains == [[overlays[0], folder / "d.qcow2", folder / "base.qcow2"], [overlays[1], folder / "sub" / "r.img"]]
    assert [note.startswith(f"disk {name}: the guest writes to") for name, note in zip(noted, notes, strict=False)]
    assert len(notes) == 2


@pytest.mark.parametrize("lost", [("--then", "quit"), ("--disks", "overlay")])
def test_a_temporary_disk(lost: tuple[str, ...], folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Is lost with QEMU: where it would be, the save is refused, and the guest goes on; else that is told."""
    image = folder / "a.dctx"
    with RealQemu(*BARE, "-m", "16", "-drive", "file=sub/r.img,if=virtio,format=raw,snapshot=on") as qemu:
        line = ["save", f"qmp:{qemu.start().socket}", str(image)]
        nodes = qemu.qmp("query-named-block-nodes")
        assert run([*line, *lost]) == 6
        assert "disk virtio0 is temporary, or was deleted: what it holds is lost when QEMU ends; got /" in (
            capfd.readouterr().err
        )
        assert (qemu.status(), qemu.qmp("query-named-block-nodes"), image.exists()) == ("running", nodes, False)
        assert run([*line, "--then", "stop"]) == 0
        assert " was deleted, and is lost when QEMU ends\n" in capfd.readouterr().err
        image.unlink()
        qemu.qmp("cont")
        assert run([*line, "--disks", "none", "--then", "quit"]) == 0


def test_disks_that_are_not_wanted_are_not_looked_at(monitor: Monitor) -> None:
    """Neither noted nor changed."""
    kept = keeper(monitor, "none", [])
    kept.before_migration()
    assert (kept.wanted, kept.after_migration()) == (False, None)


def test_a_machine_without_disks_has_no_note() -> None:
    """And no overlays."""
    with RealQemu(*BARE, "-S", "-m", "16") as qemu, Monitor(str(qemu.start().socket)) as monitor:
        kept = keeper(monitor, "overlay", [])
        kept.before_migration()
        assert (kept.wanted, kept.after_migration()) == (False, None)


def test_a_disk_that_is_no_file(folder: Path) -> None:
    """It is noted without a time, which is said; an overlay for it is refused, and then none is made."""
    line = ("-drive", "file=d.qcow2,if=virtio", "-drive", "file=null-co://,if=virtio,format=raw,file.read-zeroes=on")
    with RealQemu(*BARE, "-S", "-m", "16", *line) as qemu, Monitor(str(qemu.start().socket)) as monitor:
        notes: list[str] = []
        state = keeper(monitor, "note", notes).after_migration()
        assert state is not None
        assert state.context is not None
        (file,) = state.context.disks[1].files
        assert (file.size, file.mtime) == (None, None)
        assert "disk virtio1: nothing tells when" in notes[0]
        with pytest.raises(DomainError, match="disk virtio1 is no plain file, and gets no overlay"):
            keeper(monitor, "overlay", []).before_migration()
        assert sorted(path.name for path in folder.glob("d*")) == ["d.qcow2"]


def test_a_disk_whose_data_stand_in_another_file(tmp_path: Path) -> None:
    """Both files are noted; so is the beginning of a name that is longer than any file's."""
    disk, data = tmp_path / "d.qcow2", tmp_path / "d.raw"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data}", disk, "1M")
    many = ",".join(f"file.children.{at}.driver=null-co" for at in range(300))
    line = (
        "-drive",
        f"file={disk},if=virtio",
        "-drive",
        f"if=virtio,driver=raw,file.driver=quorum,{many},file.vote-threshold=2",
    )
    with RealQemu(*BARE, "-S", "-m", "16", *line) as qemu, Monitor(str(qemu.start().socket)) as monitor:
        state = keeper(monitor, "note", []).after_migration()
    assert state is not None
    assert state.context is not None
    assert [file.path for file in state.context.disks[0].files] == [str(disk), str(data)]
    assert len(state.context.disks[1].files[0].path) >= 4095
    to_body(state.context)


def test_what_has_a_time(tmp_path: Path) -> None:
    """A folder, a device, and what is not there have none."""
    for name in (str(tmp_path), "/dev/null", str(tmp_path / "gone"), "nbd://x"):
        assert told(name) == DiskFile(name)
    (tmp_path / "d").write_bytes(b"12")
    assert told(str(tmp_path / "d")).size == 2


@pytest.mark.parametrize(
    ("command", "name", "role"),
    [
        (["load", "a.dctx", "qmp:sock", "--disks", "overlay"], "disks", "goal"),
        (["load", "a.dctx", "qmp:sock", "--then", "quit"], "then", "goal"),
        (["save", "qmp:sock", "b.dctx", "--start", "yes"], "start", "source"),
        (["save", "qmp:sock", "b.dctx", "--force-disks"], "force-disks", "source"),
    ],
)
def test_an_option_of_the_other_side(command: list[str], name: str, role: str, told_by: Callable[..., str]) -> None:
    """Is refused before anything is opened: who gives it relies on what would not be done."""
    assert f"option '{name}' means nothing here: qmp: is the {role}" in told_by(command, 2)


@pytest.fixture
def told_by(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that exits with a code; what it told."""

    def told_by(command: list[str], code: int) -> str:
        assert run(command) == code
        return capsys.readouterr().err

    return told_by
