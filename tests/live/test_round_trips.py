"""The guest is saved live, its QEMU killed, and it counts on in another one: by image, file stream and pipe."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from helpers.adopted_qemu import AdoptedQemu
from helpers.domctx_process import PATIENCE, domctx, line, read_octets
from helpers.guest.judge import check_serial
from helpers.guest.machines import GuestMachine
from helpers.guest.matrix import FULL, SMALL, whole_matrix
from helpers.guest.report import ADDRESS, SIZE, Report
from helpers.guest.running import Guest

few = pytest.mark.parametrize("machine", SMALL, ids=lambda machine: machine.name)
matrix = pytest.mark.parametrize("machine", FULL if whole_matrix() else SMALL, ids=lambda machine: machine.name)


@pytest.fixture
def guest(machine: GuestMachine, guest_kernel: Path, tmp_path: Path) -> Guest:
    """The guest of one machine."""
    return Guest(machine, guest_kernel, tmp_path)


def reported(image: Path) -> Report:
    """What the guest had done by the moment of the save, read from the image."""
    return Report.decode(read_octets(image, ADDRESS, SIZE))


@matrix
def test_saved_live_and_loaded(guest: Guest, tmp_path: Path) -> None:
    """Saved live and killed, the guest counts on in a waiting QEMU from where it was; disk and text have no gap."""
    image = tmp_path / "vm.dctx"
    with guest.qemu() as qemu:
        earlier = guest.begin(qemu)
        domctx("save", f"qmp:{qemu.socket}", image, "--then", "stop")
        assert qemu.status() in ("postmigrate", "paused")
        qemu.kill()
    domctx("verify", image)
    before = reported(image)
    assert before.ticks >= earlier.ticks
    check_serial(before, guest.serial.read_bytes())
    with guest.qemu() as qemu:
        qemu.start("defer")
        domctx("load", image, f"qmp:{qemu.socket}", "--start", "no")
        guest.goes_on(qemu, before)


@matrix
def test_a_file_stream_by_way_of_an_image(guest: Guest, tmp_path: Path) -> None:
    """A stream that QEMU wrote, converted to an image and back, is loaded by QEMU, and the guest counts on."""
    image, stream = tmp_path / "vm.dctx", tmp_path / "again.mig"
    with guest.qemu() as qemu:
        guest.begin(qemu)
        qemu.qmp("stop")
        before = guest.judge(qemu)
        qemu.save(tmp_path / "vm.mig")
    domctx("convert", tmp_path / "vm.mig", image)
    assert reported(image) == before
    domctx("convert", image, f"qemu:{stream}")
    with guest.qemu() as qemu:
        qemu.start(f"exec:cat {stream}")
        qemu.wait_migration("completed")
        guest.goes_on(qemu, before)


@matrix
def test_from_one_qemu_into_another_by_a_pipe(guest: Guest, tmp_path: Path) -> None:
    """`save qmp: - | load - qmp:` carries the guest over: nothing in between, and it counts on."""
    with guest.qemu() as old, guest.qemu() as new:
        guest.begin(old)
        new.start("defer")
        with subprocess.Popen(
            line("save", f"qmp:{old.socket}", "-", "--then", "stop"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as saving:
            loading = subprocess.run(
                line("load", "-", f"qmp:{new.socket}", "--start", "no"),
                stdin=saving.stdout,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
            assert loading.returncode == 0, loading.stderr.decode()
            assert saving.wait(PATIENCE) == 0
        before = guest.judge(old)
        old.kill()
        guest.goes_on(new, before)


@matrix
def test_a_guest_that_runs_on_while_it_is_saved(guest: Guest, tmp_path: Path) -> None:
    """The guest runs on after the save, on overlays of its disks; the image is loaded over the disks as they were."""
    image, text = tmp_path / "vm.dctx", tmp_path / "second.txt"
    with guest.qemu() as qemu:
        guest.begin(qemu)
        disks = "overlay" if guest.machine.has_disk else "none"
        domctx("save", f"qmp:{qemu.socket}", image, "--disks", disks)
        before = reported(image)
        assert qemu.status() == "running"
        guest.let_work(qemu, before)
        qemu.qmp("stop")
        last = guest.look(qemu)
        check_serial(last, guest.serial.read_bytes())
        qemu.kill()
    for overlay in guest.disk.parent.glob("disk.*.qcow2"):
        overlay.unlink()
    with guest.qemu(serial=text) as qemu:
        qemu.start("defer")
        domctx("load", image, f"qmp:{qemu.socket}", "--start", "no")
        guest.goes_on(qemu, before, serial=text)


@few
def test_a_loaded_guest_runs_as_it_was_found(guest: Guest, tmp_path: Path) -> None:
    """Without a word about it, what was saved running runs when it is loaded, and what was found paused is paused."""
    image, paused = tmp_path / "vm.dctx", tmp_path / "paused.dctx"
    with guest.qemu() as qemu:
        guest.begin(qemu)
        domctx("save", f"qmp:{qemu.socket}", image, "--then", "quit")
        qemu.ended()
    before = reported(image)
    with guest.qemu() as qemu:
        qemu.start("defer")
        domctx("load", image, f"qmp:{qemu.socket}")
        qemu.wait_status("running")
        guest.let_work(qemu, before)
        qemu.qmp("stop")
        after = guest.judge(qemu)
        check_serial(after, guest.serial.read_bytes())
        domctx("save", f"qmp:{qemu.socket}", paused)
    assert reported(paused) == after
    with guest.qemu() as qemu:
        qemu.start("defer")
        domctx("load", paused, f"qmp:{qemu.socket}")
        assert qemu.status() == "paused"
        guest.goes_on(qemu, after)


@few
def test_started_by_the_command_line_in_the_image(guest: Guest, tmp_path: Path) -> None:
    """`load --run` starts QEMU as the image says, and the guest counts on in it."""
    image = tmp_path / "vm.dctx"
    with guest.qemu() as qemu:
        guest.begin(qemu)
        domctx("save", f"qmp:{qemu.socket}", image, "--then", "quit")
        qemu.ended()
    before = reported(image)
    told = domctx("load", image, "--run", "--trust-command-line", "--start", "no").stderr.decode()
    with AdoptedQemu(told) as qemu:
        guest.goes_on(qemu, before)
