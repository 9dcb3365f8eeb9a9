"""Debian's kernel and busybox as a guest: downloaded and unpacked, never installed; an initramfs made here."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from helpers.real_qemu import RealQemu

READY: Final = "the guest is ready"
PATIENCE: Final = 300.0
"""Seconds after which Linux is taken to hang: a bound on a failing test, never a measure."""
SLEEPERS: Final = ("first-sleeper", "second-sleeper")
"""Names of processes that wait in the guest."""
SYMBOLS: Final = ("linux_banner", "init_uts_ns", "saved_command_line")

INIT: Final = f"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox mount -t proc proc /proc
echo 0 >/proc/sys/kernel/kptr_restrict
echo "proc-version: $(/bin/busybox cat /proc/version)"
/bin/busybox grep -wE '{"|".join(SYMBOLS)}' /proc/kallsyms
{"".join(f"/bin/{name} 100000 &{chr(10)}" for name in SLEEPERS)}echo '{READY}'
/bin/busybox yes >/dev/null &
n=0
while :; do /bin/busybox sleep 1; n=$((n+1)); echo "second $n"; done
"""
"""One process burns time so that a vCPU stands in user mode or in a system call; the others wait."""


@attrs.frozen
class Linux:
    """Where the unpacked kernel lies, and what was unpacked with it."""

    release: str
    kernel: Path
    initramfs: Path
    vmlinux: Path | None
    """The kernel with its symbols, where it was unpacked too."""


@attrs.frozen
class Saved:
    """One Linux, standing still."""

    linux: Linux
    text: str
    """What it printed."""
    registers: str
    """``info registers -a``"""
    dump: Path
    """``dump-guest-memory``, by QEMU"""
    stream: Path
    """``migrate``, by QEMU"""
    image: Path
    """the stream as an image"""
    running: Path
    """an image saved live, a second before"""
    standing: Path | None
    """an image saved live of the guest as it stands; where its RAM is shared, so that QEMU can be asked again"""
    line: tuple[str, ...]
    """QEMU's arguments, but for the serial port"""

    def address(self, symbol: str) -> int:
        """Where the kernel itself says that a symbol is: it was loaded at an address chosen by chance."""
        found = re.search(rf"^([0-9a-f]{{16}}) \w {symbol}\r?$", self.text, re.M)
        assert found is not None, self.text
        return int(found[1], 16)

    @property
    def banner(self) -> str:
        """What /proc/version said."""
        found = re.search(r"^proc-version: (.*?)\r?$", self.text, re.M)
        assert found is not None, self.text
        return found[1]


def _run(line: Sequence[str], folder: Path) -> str:
    return subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True).stdout


def _package(name: str, folder: Path) -> Path:
    """Download a package once, and unpack it beside itself."""
    goal = folder / name
    if not goal.exists():
        _run(["apt-get", "download", name], folder)
        (deb,) = folder.glob(f"{name}_*.deb")
        _run(["dpkg-deb", "-x", str(deb), str(goal) + ".part"], folder)
        (folder / (name + ".part")).rename(goal)
    return goal


def _symbols(name: str, release: str, folder: Path) -> Path:
    """The kernel with its symbols: of its 5 GB package only that file is unpacked."""
    goal = folder / f"vmlinux-{release}"
    if not goal.exists():
        _run(["apt-get", "download", f"{name}-dbg"], folder)
        (deb,) = folder.glob(f"{name}-dbg_*.deb")
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as unpacked:
            member = f"./usr/lib/debug/boot/vmlinux-{release}"
            line = ["tar", "-x", "--occurrence=1", "--strip-components=5", "-C", str(folder), member]
            subprocess.run(line, stdin=unpacked.stdout, check=True)
            unpacked.terminate()
    return goal


def unpack(folder: Path, symbols: bool) -> Linux:
    """Debian's newest kernel and busybox in this folder, and an initramfs of them; with its symbols where wanted."""
    folder.mkdir(parents=True, exist_ok=True)
    depends = _run(["apt-cache", "depends", "linux-image-amd64"], folder)
    found = re.search(r"Depends: (linux-image-(\S+))", depends)
    assert found is not None, depends
    name, release = found.groups()
    kernel = _package(name, folder) / "boot" / f"vmlinuz-{release}"
    busybox = _package("busybox-static", folder) / "bin" / "busybox"
    initramfs = folder / "initramfs.cpio"
    initramfs.write_bytes(archive(busybox.read_bytes()))
    return Linux(release, kernel, initramfs, _symbols(name, release, folder) if symbols else None)


def _member(name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    """One file of a cpio archive of the "new" form: 13 numbers of 8 hex digits, name and data padded to 4."""
    numbers = [0, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def archive(busybox: bytes) -> bytes:
    """The initramfs: /init, busybox, links to it under the sleepers' names, a console."""
    parts = [_member("dev", 0o040755), _member("dev/console", 0o020600, device=(5, 1))]
    parts += [_member("dev/null", 0o020666, device=(1, 3)), _member("bin", 0o040755)]
    parts += [_member("bin/busybox", 0o100755, busybox), _member("init", 0o100755, INIT.encode())]
    for name in SLEEPERS:
        script = "#!/bin/busybox sh\nwhile :; do /bin/busybox sleep $1; done\n"
        parts.append(_member(f"bin/{name}", 0o100755, script.encode()))
    return b"".join([*parts, _member("TRAILER!!!", 0)])


def arguments(linux: Linux, machine: str, memory: int, vcpus: int) -> tuple[str, ...]:
    """QEMU's arguments, but for the serial port."""
    return (
        *("-display", "none", "-nodefaults", "-accel", "tcg", "-machine", machine, "-m", str(memory)),
        *("-smp", str(vcpus), "-kernel", str(linux.kernel), "-initrd", str(linux.initramfs)),
        *("-append", "console=ttyS0 panic=-1 quiet"),
    )


def seconds(text: str) -> list[int]:
    """The seconds that the guest counted, as far as whole lines tell."""
    return [int(number) for number in re.findall(r"^second (\d+)\r?\n", text, re.M)]


def wait_text(qemu: RealQemu, serial: Path, wanted: str) -> str:
    """Wait until the guest has written what this expression finds; its whole text."""
    last = time.monotonic() + PATIENCE
    while True:
        text = serial.read_text(errors="replace") if serial.exists() else ""
        if re.search(wanted, text):
            return text
        assert qemu.process is not None
        assert qemu.process.poll() is None, f"QEMU ended: {qemu.stderr}"
        assert time.monotonic() < last, f"Linux does not write {wanted!r}: {text[-2000:]}"
        time.sleep(0.2)
