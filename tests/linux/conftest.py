"""A Linux that has booted, then was stopped, dumped by QEMU itself, and saved."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from helpers.domctx_process import domctx
from helpers.linux_guest import Linux, Saved, arguments, unpack, wait_ready
from helpers.real_qemu import RealQemu

MACHINES = {"pc": ("pc", 256), "q35-split": ("q35,max-ram-below-4g=128M", 256)}
"""The second one's RAM goes on above 4 GiB."""


@pytest.fixture(scope="session")
def linux() -> Linux:
    """Debian's kernel and busybox, unpacked in the folder that DOMCTX_LINUX names."""
    folder = os.environ.get("DOMCTX_LINUX")
    if not folder:
        pytest.skip("downloads and boots Debian's kernel: run it as `tox -e linux` (sets DOMCTX_LINUX)")
    return unpack(Path(folder), symbols=os.environ.get("DOMCTX_LINUX_SYMBOLS", "") == "1")


@pytest.fixture(scope="session", params=MACHINES)
def saved(linux: Linux, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """A machine whose Linux is up, by a stream in a file."""
    machine, memory = MACHINES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    dump, stream, image = (folder / name for name in ("qemu.core", "vm.mig", "vm.dctx"))
    with RealQemu(*arguments(linux, folder / "serial.txt", machine, memory, vcpus=2)) as qemu:
        qemu.start()
        text = wait_ready(qemu, folder / "serial.txt")
        time.sleep(1)  # let the busy process come to its vCPU; nothing is judged by it
        qemu.qmp("stop")
        registers = qemu.registers()
        qemu.qmp("dump-guest-memory", paging=False, protocol=f"file:{dump}")
        dump.chmod(0o600)
        qemu.save(stream)
    domctx("convert", stream, image)
    return Saved(linux, text, registers, dump, stream, image)


@pytest.fixture(scope="session")
def core(saved: Saved) -> Path:
    """The image as an ELF core."""
    goal = saved.image.with_name("vm.core")
    domctx("convert", saved.image, f"elf:{goal}")
    return goal
