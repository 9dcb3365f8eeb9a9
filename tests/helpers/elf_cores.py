"""ELF cores by hand: told with struct alone, so that they judge what is written and try what is read."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from domctx import options
from domctx.api import StateKey
from domctx.context import OpenContext, Operation
from domctx.sinks import BytesSink
from domctx.states import MEMORY
from domctx.testing import StatesDomain
from domctx_elf import writer
from domctx_elf.plugin import domctx_formats
from domctx_qemu_stream.vcpus import provide
from domctx_x86.states import REGISTERS
from helpers.qemu_corpus import opened

SOURCE = Path(__file__).parent / "guest_long_mode.s"
HEADER64, HEADER32 = "<4sBBB9sHHIQQQIHHHHHH", "<4sBBB9sHHIIIIIHHHHHH"
SEGMENT64, SEGMENT32 = "<IIQQQQQQ", "<IIIIIIII"


class Core(NamedTuple):
    """A core that was told: ``segments`` are (type, vaddr, paddr, memsz, octets)."""

    file_class: int
    machine: int
    segments: list[tuple[int, int, int, int, bytes]]

    @property
    def notes(self) -> bytes:
        """The octets of the notes."""
        return b"".join(octets for kind, _, _, _, octets in self.segments if kind == 4)

    @property
    def loads(self) -> list[tuple[int, int, int, bytes]]:
        """The PT_LOADs: (vaddr, paddr, memsz, octets)."""
        return [(vaddr, paddr, size, octets) for kind, vaddr, paddr, size, octets in self.segments if kind == 1]


def told(path: Path) -> Core:
    """What stands in a core."""
    octets = path.read_bytes()
    wide = octets[4] == 2
    head = struct.unpack_from(HEADER64 if wide else HEADER32, octets)
    form = SEGMENT64 if wide else SEGMENT32
    count = head[14]
    if count == 0xFFFF:
        (count,) = struct.unpack_from("<I", octets, head[10] + (44 if wide else 28))
    rows = [struct.unpack_from(form, octets, head[9] + struct.calcsize(form) * index) for index in range(count)]
    order = (0, 3, 4, 6, 2, 5) if wide else (0, 2, 3, 5, 1, 4)
    rows = [tuple(row[index] for index in order) for row in rows]
    return Core(octets[4], head[6], [(*row[:4], octets[row[4] : row[4] + row[5]]) for row in rows])


def composed(
    segments: Iterable[tuple[int, int, int, bytes] | tuple[int, int, int, bytes, int]],
    *,
    machine: int = 62,
    wide: bool = True,
    **changes: int,
) -> bytes:
    """A core of (type, vaddr, paddr, octets[, memsz]) segments; ``changes`` of the header's fields."""
    rows = list(segments)
    header, form = (HEADER64, SEGMENT64) if wide else (HEADER32, SEGMENT32)
    size, row_size = struct.calcsize(header), struct.calcsize(form)
    fields = {
        "type": 4, "machine": machine, "version": 1, "entry": 0, "phoff": size, "shoff": 0, "flags": 0, "ehsize": size,
        "phentsize": row_size, "phnum": len(rows), "shentsize": 64 if wide else 40, "shnum": 0, "shstrndx": 0,
    } | changes  # fmt: skip
    table, data = b"", b""
    start = size + row_size * len(rows)
    for kind, vaddr, paddr, octets, *more in rows:
        place, memsz = start + len(data), more[0] if more else len(octets)
        if wide:
            table += struct.pack(form, kind, 0, place, vaddr, paddr, len(octets), memsz, 0)
        else:
            table += struct.pack(form, kind, place, vaddr, paddr, len(octets), memsz, 0, 0)
        data += octets
    return struct.pack(header, b"\x7fELF", 2 if wide else 1, 1, 1, bytes(9), *fields.values()) + table + data


def context(scheme: str = "elf", operation: Operation | None = None, *given: str) -> OpenContext:
    """What a format is lent, with options ``name=value``."""
    (format_,) = (each for each in domctx_formats() if each.scheme == scheme)
    return OpenContext(operation or Operation(), format_.options, options.select(given, format_.options))


def tool(name: str) -> str:
    """A program's path; skips where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str | Path) -> str:
    """What a program prints, standard error besides; it must end well."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def long_guest(folder: Path) -> Path:
    """The boot sector that goes to long mode, assembled."""
    made, goal = folder / "guest.o", folder / "guest.bin"
    run(tool("as"), "--64", "-o", made, SOURCE)
    run(tool("ld"), "-e", "start", "-Ttext", "0x7c00", "--oformat", "binary", "-o", goal, made)
    return goal


def gdb(core: Path, *commands: str) -> str:
    """What gdb prints of a core."""
    return run(tool("gdb"), "-nx", "-batch", "-core", core, *(part for each in commands for part in ("-ex", each)))


def pair(folder: Path, arguments: Sequence[str], boot: Path | None) -> Any:
    """(dump, paged dump, stream) of one real QEMU that stands still; of a guest that halted, where it boots one."""
    from helpers.real_qemu import BARE, RealQemu

    drive = ["-drive", f"file={boot},format=raw,if=ide,snapshot=on,file.locking=off"] if boot is not None else ["-S"]
    with RealQemu(*BARE, *arguments, *drive) as qemu:
        qemu.start()
        while boot is not None and qemu.memory(0x6000, 1) != b"\x5a":
            pass
        qemu.qmp("stop")
        dumps = [folder / "dump.elf", folder / "paged.elf"]
        for paging, path in enumerate(dumps):
            qemu.qmp("dump-guest-memory", paging=bool(paging), protocol=f"file:{path}")
        return *dumps, qemu.save(folder / "vm.mig")


def written(domain: StatesDomain, path: Path, operation: Operation | None = None, *given: str) -> Path:
    """The domain as a core."""
    sink = BytesSink()
    writer.write(domain, sink, context("elf", operation, *given))
    path.write_bytes(sink.octets)
    return path


def from_stream(stream: Path, goal: Path, *given: str) -> Path:
    """The machine of a stream as a core."""
    machine = opened(stream)
    states: dict[StateKey[Any], Any] = {MEMORY: machine.state(MEMORY), REGISTERS: provide(machine)}
    written(StatesDomain(machine.machine, states), goal, None, *given)
    machine.close()
    return goal
