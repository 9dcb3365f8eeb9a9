"""A Linux that has booted, then was stopped, dumped by QEMU itself, and saved."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers.domctx_process import domctx
from helpers.linux_guest import Linux, Saved, arguments, seconds, unpack, wait_text
from helpers.real_qemu import RealQemu

MEMORY = 256
SHARED = ("-object", f"memory-backend-memfd,id=ram,share=on,size={MEMORY}M")
MACHINES = {"pc": ("pc", ()), "q35-split": ("q35,max-ram-below-4g=128M,memory-backend=ram", SHARED)}
"""The second one's RAM is shared, and goes on above 4 GiB."""


@pytest.fixture(scope="session")
def linux() -> Linux:
    """Debian's kernel and busybox, unpacked in the folder that DOMCTX_LINUX names."""
    folder = os.environ.get("DOMCTX_LINUX")
    if not folder:
        pytest.skip("downloads and boots Debian's kernel: run it as `tox -e linux` (sets DOMCTX_LINUX)")
    return unpack(Path(folder), symbols=os.environ.get("DOMCTX_LINUX_SYMBOLS", "") == "1")


@pytest.fixture(scope="session", params=MACHINES)
def saved(linux: Linux, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """A machine whose Linux is up: saved while it runs, stopped, dumped by QEMU, saved again, and migrated."""
    machine, more = MACHINES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    names = ("qemu.core", "vm.mig", "vm.dctx", "running.dctx", "standing.dctx")
    dump, stream, image, running, standing = (folder / name for name in names)
    line, serial = (*arguments(linux, machine, MEMORY, vcpus=2), *more), folder / "serial.txt"
    with RealQemu(*line, "-serial", f"file:{serial}") as qemu:
        qemu.start()
        wait_text(qemu, serial, r"second 2\b")
        domctx("save", f"qmp:{qemu.socket}", running)
        before = seconds(serial.read_text())[-1]
        text = wait_text(qemu, serial, rf"second {before + 2}\b")
        assert qemu.status() == "running"
        qemu.qmp("stop")
        registers = qemu.registers()
        qemu.qmp("dump-guest-memory", paging=False, protocol=f"file:{dump}")
        dump.chmod(0o600)
        if more:
            domctx("save", f"qmp:{qemu.socket}", standing)
            assert qemu.status() == "paused"
        qemu.save(stream)
    domctx("convert", stream, image)
    return Saved(linux, text, registers, dump, stream, image, running, standing if more else None, line)


@pytest.fixture(scope="session")
def core(saved: Saved) -> Path:
    """The image as an ELF core."""
    goal = saved.image.with_name("vm.core")
    domctx("convert", saved.image, f"elf:{goal}")
    return goal
