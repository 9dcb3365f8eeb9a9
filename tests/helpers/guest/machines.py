"""The machines that the guest is started on, as arguments of QEMU."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs

DISK_SIZE: Final = 64 << 10
"""So small that it is soon written over and over."""
REQUESTS_A_SECOND: Final = 400
"""QEMU holds requests back to this rate, so that the guest always has some under way and leaves us a processor."""


@attrs.frozen
class GuestMachine:
    """One machine: its type with properties, vCPUs, RAM in MiB, and whether the local APIC ticks, not the PIT."""

    kind: str
    vcpus: int = 1
    memory: int = 16
    local_timer: bool = False
    backend: str = ""
    """The RAM's backend without id and size, for instance ``memory-backend-memfd,share=on``; QEMU's own where empty."""

    @property
    def name(self) -> str:
        """A name for a test."""
        timer = "-apic" if self.local_timer else ""
        backend = "-" + self.backend.split(",")[0].removeprefix("memory-backend-") if self.backend else ""
        return f"{self.kind.replace(',', '-')}-{self.vcpus}cpu-{self.memory}m{timer}{backend}"

    @property
    def has_disk(self) -> bool:
        """An ISA machine has no virtio."""
        return not self.kind.startswith("isapc")

    @property
    def is_micro(self) -> bool:
        """Virtio by memory-mapped registers, not by PCI."""
        return self.kind.startswith("microvm")

    def command_line(self) -> str:
        """What the guest is told."""
        said = {
            "second": self.vcpus == 2,
            "local-timer": self.local_timer,
            "disk": self.has_disk,
            "mmio": self.is_micro,
        }
        return " ".join(word for word, wanted in said.items() if wanted)

    def arguments(self, kernel: Path, serial: Path, disk: Path) -> list[str]:
        """QEMU's arguments; the serial port's text is put behind what the file has; the disk is raw."""
        memory = f",memory-backend=ram -object {self.backend},id=ram,size={self.memory}M" if self.backend else ""
        machine, *behind = f"{self.kind}{memory}".split(" ")
        found = ["-display", "none", "-nodefaults", "-accel", "tcg", "-machine", machine, *behind]
        found += ["-m", str(self.memory), "-smp", str(self.vcpus), "-kernel", str(kernel)]
        found += ["-append", self.command_line(), "-chardev", f"file,id=text,path={serial},append=on"]
        found += ["-serial", "chardev:text"]
        if self.has_disk:
            device = "virtio-blk-device" if self.is_micro else "virtio-blk-pci"
            drive = f"if=none,id=disk,format=raw,file={disk},throttling.iops-total={REQUESTS_A_SECOND}"
            found += ["-drive", drive, "-device", f"{device},drive=disk"]
        return found


def make_disk(path: Path) -> Path:
    """An empty disk for the guest."""
    with path.open("wb") as file:
        file.truncate(DISK_SIZE)
    return path
