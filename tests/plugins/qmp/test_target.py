"""Images are loaded into real QEMUs that wait, and into one that is started."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import attrs
import pytest

from domctx.api import Machine, StateKey
from domctx.cli.run import run
from domctx.errors import DomainError, UsageError
from domctx.states import DEVICES, FOREIGN_HEAD, FOREIGN_TAIL, MEMORY, PAGE_TABLES, ForeignPart
from domctx_disks import DISKS
from domctx_qmp.target import QemuTarget, Wishes
from helpers.adopted_qemu import AdoptedQemu
from helpers.domctx_process import line
from helpers.live_loads import SMALL, image_of, load, save, waiting
from helpers.real_qemu import BARE, RealQemu
from helpers.terminal import on_terminal


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of a machine that was found running."""
    return image_of(tmp_path_factory.mktemp("images") / "running.dctx")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of a machine that was found standing."""
    return image_of(tmp_path_factory.mktemp("images") / "standing.dctx", stopped=True)


def test_a_machine_is_loaded_whole(tmp_path: Path) -> None:
    """Memory and registers are those of the saved one, and a save of the loaded one differs in nothing."""
    clock = ("-rtc", "clock=vm")  # stands while the guest does
    args = (*BARE, *clock, "-machine", "q35", "-m", "24", "-smp", "2", "-vga", "std", "-device", "virtio-rng-pci")
    with RealQemu(*args) as first:
        first.start()
        time.sleep(0.2)
        first.qmp("stop")
        memory, registers = first.memory(0, 24 << 20), first.registers()
        image = save(first, tmp_path / "a.dctx")
    with waiting(*args) as second:
        assert load(image, second) == 0
        assert second.status() == "paused"
        assert second.memory(0, 24 << 20) == memory
        assert second.registers() == registers
        again = save(second, tmp_path / "b.dctx")
    assert run(["diff", str(image), str(again)]) == 0


@pytest.mark.parametrize(
    ("options", "status"), [([], "running"), (["--start", "no"], "paused"), (["-O", "start=yes"], "running")]
)
def test_a_guest_that_ran_runs(running: Path, options: list[str], status: str) -> None:
    """As it was found, unless one says otherwise; whether QEMU was started with -S makes no difference."""
    for more in ([], ["-S"]):
        with waiting(*SMALL, *more) as qemu:
            assert load(running, qemu, *options) == 0
            assert qemu.status() == status


@pytest.mark.parametrize(("options", "status"), [([], "prelaunch"), (["--start", "yes"], "running")])
def test_a_guest_that_stood_stands(standing: Path, options: list[str], status: str) -> None:
    """As it was found, unless one says otherwise."""
    with waiting() as qemu:
        assert load(standing, qemu, *options) == 0
        assert qemu.status() == status


def test_an_old_machine_tells_qemu_nothing_of_its_run_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its stream of a paused guest has no such section: where QEMU began to run it, it is stopped, and that is said."""
    old = (*BARE, "-machine", "pc-i440fx-2.2", "-m", "16")
    with RealQemu(*old) as first:
        first.start().qmp("stop")
        stream, image = first.save(tmp_path / "a.mig"), tmp_path / "a.dctx"
    assert run(["convert", str(stream), str(image)]) == 0
    for more in ([], ["-S"]):
        with waiting(*old, *more) as qemu:
            assert load(image, qemu) == 0
            assert qemu.status() == "paused"
            assert ("the guest ran for a moment" in capsys.readouterr().err) == (not more)


def test_a_guest_that_cannot_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that has shut itself down stays so, whatever is wished, and that is said; so is what QEMU forgets of it."""
    args = (*SMALL, "-no-shutdown")
    with RealQemu(*args) as first:
        first.start()
        for _ in range(1000):
            first.hmp("o /w 0x604 0x2000")  # PM1a control, once the BIOS has put it there
            if first.status() == "shutdown":
                break
            time.sleep(0.01)
        image = save(first, tmp_path / "a.dctx")
        assert first.status() == "postmigrate"
        told = capsys.readouterr().err
        assert "'shutdown' and is 'postmigrate' now: it never ran; reset it before cont (system_reset)" in told
    with waiting(*args) as second:
        assert load(image, second, "--start", "yes") == 0
        assert second.status() == "shutdown"
        assert "the guest is 'shutdown', from where it cannot go on" in capsys.readouterr().err


def test_a_pipe_is_loaded_too(standing: Path) -> None:
    """And a stream of QEMU's own, converted."""
    with waiting() as qemu, standing.open("rb") as file:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", file)
            assert run(["load", "-", f"qmp:{qemu.socket}"]) == 0
        assert qemu.status() == "prelaunch"
    with RealQemu(*SMALL, "-S") as first:
        stream = first.start().save(standing.with_suffix(".mig"))
    with waiting() as qemu:
        assert run(["convert", str(stream), f"qmp:{qemu.socket}"]) == 0
        assert qemu.status() == "prelaunch"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((*BARE, "-machine", "pc", "-m", "32"), "RAM block 'pc.ram' has another size; expected 0x1000000 octets, got"),
        ((*BARE, "-machine", "microvm", "-m", "16"), "QEMU has no RAM block 'pc.ram'; got microvm.ram"),
        (
            (*BARE, "-machine", "pc", "-m", "16", "-smp", "2"),
            "another number of vCPUs than the image; expected 1,",
        ),
        ((*BARE, "-machine", "pc-i440fx-7.1", "-m", "16"), "another machine type than the image; expected pc-i440fx-"),
    ],
)
def test_another_machine_is_refused_before_anything_is_sent(
    running: Path, args: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What differs is named, and QEMU still waits."""
    with waiting(*args) as qemu:
        assert load(running, qemu) == 6
        assert said in capsys.readouterr().err
        assert qemu.status() == "inmigrate"


def test_a_qemu_that_does_not_wait(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused, and goes on as it was."""
    with RealQemu(*SMALL) as qemu:
        assert load(running, qemu.start()) == 6
        assert "QEMU waits for no state; expected inmigrate, got running" in capsys.readouterr().err
        assert qemu.status() == "running"


def test_a_device_that_qemu_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """QEMU refuses the state and ends, before its guest ran; where its words can be had is said."""
    image = image_of(tmp_path / "a.dctx", *SMALL, "-device", "virtio-rng-pci")
    with waiting() as qemu:
        assert load(image, qemu) == 6
        said = capsys.readouterr().err
        assert "QEMU refuses the state, and has ended" in said
        assert "what it printed on its standard error says why" in said
        assert qemu.process is not None
        assert qemu.process.wait(60) != 0


def test_a_stream_that_is_damaged_never_ends(running: Path, tmp_path: Path) -> None:
    """What comes through a pipe is found damaged at its end: QEMU gets no end, and refuses what it has."""
    octets = bytearray(running.read_bytes())
    octets[-40] ^= 1
    (tmp_path / "bad").write_bytes(octets)
    with waiting() as qemu, (tmp_path / "bad").open("rb") as file:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", file)
            assert run(["load", "-", f"qmp:{qemu.socket}"]) == 3
        assert qemu.process is not None
        assert qemu.process.wait(60) != 0
        assert "load of migration failed" in qemu.stderr


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[str, ...], Path]:
    """A machine with much in its memory that cannot be packed, and its image: more than is read ahead of a pipe."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "random").write_bytes(random.Random(1).randbytes(48 << 20))
    args = (
        *BARE,
        "-machine",
        "pc",
        "-m",
        "64",
        "-device",
        f"loader,file={folder / 'random'},addr=0x400000,force-raw=on",
    )
    return args, image_of(folder / "a.dctx", *args, stopped=True)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_load_that_is_ended_midway(large: tuple[tuple[str, ...], Path], how: signal.Signals) -> None:
    """QEMU gets no more, refuses what it has, and ends: its guest never ran."""
    args, image = large
    with waiting(*args) as qemu:
        with subprocess.Popen(line("load", "-", f"qmp:{qemu.socket}"), stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            process.stdin.write(image.read_bytes()[:-64])
            process.stdin.flush()
            qemu.wait_migration("active")
            process.send_signal(how)
            assert process.wait(60) not in (None, 0)
        assert qemu.process is not None
        assert qemu.process.wait(60) != 0
        assert "load of migration failed" in qemu.stderr


class TestStarted:
    """A QEMU is started with the command line in the image."""

    def test_it_outlives_us(self, running: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It runs, and its process and monitor are told."""
        assert (
            run(["load", str(running), "--run", "--trust-command-line", "--qemu-arg", "-name", "--qemu-arg", "x"]) == 0
        )
        with AdoptedQemu(capsys.readouterr().err) as qemu:
            assert qemu.status() == "running"
            assert qemu.qmp("query-name") == {"name": "x"}

    def test_one_agrees_on_a_terminal(self, running: Path) -> None:
        """The question stands there before any bar is drawn, and waits for its answer."""
        said = on_terminal(line("load", running, "--run"), "y\n")
        with AdoptedQemu(said) as qemu:
            assert qemu.status() == "running"
        assert said.index("Start it? [y/N]") < said.index("QEMU runs as process")

    def test_it_ends_where_it_cannot_be_loaded(self, running: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Another machine, and one that reads streams otherwise: that is told in QEMU's words."""
        arguments = ["load", str(running), "--run", "--trust-command-line"]
        assert run([*arguments, "--qemu-arg", "-m", "--qemu-arg", "32"]) == 6
        assert "'pc.ram' has another size" in capsys.readouterr().err
        assert run([*arguments, "--qemu-arg", "-global", "--qemu-arg", "migration.send-section-footer=off"]) == 6
        assert "QEMU refuses the state, and has ended; got qemu-system-x86_64: " in capsys.readouterr().err

    def test_nobody_agreed(self, running: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing is started."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", None)
            assert run(["load", str(running), "--run"]) == 2
        assert "was not agreed to" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["qmp:/x", "--run"], "--run starts a QEMU of its own"),
            (["qmp:/x", "--qemu-arg", "-S"], "--qemu-arg and --trust-command-line go with --run"),
            (["qmp:/x", "--trust-command-line"], "--qemu-arg and --trust-command-line go with --run"),
        ],
    )
    def test_options_that_do_not_go_together(
        self, running: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """They are refused before anything is done."""
        assert run(["load", str(running), *arguments]) == 2
        assert said in capsys.readouterr().err


def test_states_of_a_target() -> None:
    """A QEMU takes what QEMU's streams hold, and disks; without a machine there is nothing to load into."""
    target = QemuTarget("", Wishes(run=True), print)
    keys: list[StateKey[Any]] = [FOREIGN_HEAD, MEMORY, DEVICES, FOREIGN_TAIL, DISKS]
    assert all(target.state(key) is not None for key in keys)
    assert target.state(PAGE_TABLES) is None
    with pytest.raises(UsageError, match="a plain v10 image has no memory"):
        target.commit()
    error = DomainError("nothing was sent yet")
    assert target.why(error) is error
    target.abort()


def test_a_machine_that_never_was_qemus() -> None:
    """It is refused by what its MANIFEST says, and where that lies, by the head of its stream."""
    with waiting() as qemu:
        target = QemuTarget(str(qemu.socket), Wishes(), print)
        machine = Machine("guest", "i386", hypervisor="xen-2004")
        with pytest.raises(DomainError, match="the image is of no QEMU machine; got xen-2004"):
            target.prepare(machine)
        with pytest.raises(DomainError, match="another architecture than the image; expected i386, got x86_64"):
            target.prepare(attrs.evolve(machine, hypervisor="qemu"))
        head = target.state(FOREIGN_HEAD)
        assert head is not None
        head.store(ForeignPart("lgr", "header", b""))
        with pytest.raises(DomainError, match="never was QEMU's"):
            target.commit()
        target.abort()
        assert qemu.status() == "inmigrate"


def test_the_command_line_in_an_image(running: Path) -> None:
    """It is that of the QEMU that was saved."""
    from domctx.image import open_image

    image = open_image(str(running))
    assert image.manifest is not None
    words = json.loads(image.manifest.machine.command_line or "")
    image.close()
    assert words[1 : 1 + len(SMALL)] == list(SMALL)
