"""A real Linux guest, judged by what it printed, by what QEMU dumped of it, and by gdb, crash and drgn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment, Segment

from domctx_qemu_stream.vcpus import provide
from helpers.domctx_process import domctx, read_octets
from helpers.linux_guest import SLEEPERS, Saved, seconds, wait_text
from helpers.linux_tools import crash, drgn, gdb_registers
from helpers.qemu_corpus import opened
from helpers.qemu_registers import different, expected
from helpers.real_qemu import RealQemu

CHUNK = 1 << 24
UNEQUAL = re.compile(
    r"MANIFEST\[0\] machine\.command_line|MEMORY (/rom@|pc\.)|FOREIGN_TAIL\[0\]: absent"
    r"|DEVICE\[\d+\] (\S+: absent -> \{'name|mc146818rtc)"
)


@pytest.mark.parametrize("form", ["stream", "image", "running"])
def test_the_banner_is_where_the_kernel_says(saved: Saved, form: str) -> None:
    """`domctx read --virtual` finds the banner at the address that /proc/kallsyms told, through each vCPU's tables."""
    check_banner(saved, getattr(saved, form))


def test_the_banner_is_found_in_the_core(saved: Saved, core: Path) -> None:
    """The core, opened by domctx again, has the registers and page tables that lead to the banner."""
    check_banner(saved, core)


def test_registers_are_as_qemu_printed_them(saved: Saved) -> None:
    """Every register of both vCPUs is as `info registers -a` had it."""
    domain = opened(saved.stream)
    try:
        state = provide(domain)
        assert state is not None
        for vcpu, text in enumerate(vcpu_texts(saved)):
            assert different(text, state.vcpus[vcpu]) == {}
    finally:
        domain.close()


def test_gdb_has_the_registers_that_qemu_printed(saved: Saved, core: Path) -> None:
    """gdb opens the core, and its threads' registers are those of `info registers -a`."""
    for vcpu, text in enumerate(vcpu_texts(saved)):
        printed = {name: value for name, value, width in expected(text) if width == 64}
        found = gdb_registers(core, vcpu)
        for name in ("rip", "rsp", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r15"):
            assert found[name] == printed[name], (vcpu, name)


def test_the_core_holds_the_memory_that_qemu_dumped(saved: Saved, core: Path) -> None:
    """The core's segments, octet for octet, are those of QEMU's own dump of the same standing guest."""
    with core.open("rb") as ours, saved.dump.open("rb") as theirs:
        mine, judge = ELFFile(ours), ELFFile(theirs)
        placed = [places(elf) for elf in (mine, judge)]
        assert placed[0] == placed[1]
        for (address, _), mine_part, judge_part in zip(placed[0], loads(mine), loads(judge), strict=True):
            assert first_difference(mine_part, judge_part) is None, hex(address)


def test_the_core_has_the_notes_that_qemu_wrote(saved: Saved, core: Path) -> None:
    """PRSTATUS and QEMU's own notes of both vCPUs are those of its dump."""
    with core.open("rb") as ours, saved.dump.open("rb") as theirs:
        assert notes(ELFFile(ours)) == notes(ELFFile(theirs))


def test_crash_sees_what_it_sees_in_the_dump_of_qemu(saved: Saved, core: Path) -> None:
    """crash finds the kernel's address by the notes, and prints banner, machine and back traces as for QEMU's dump."""
    vmlinux = symbols(saved)
    commands = ("sys", "p linux_banner", "ps", "bt -c 0", "bt -c 1", "mach")
    found = crash(core, vmlinux, *commands)
    assert saved.banner in found
    assert f"RELEASE: {saved.linux.release}" in found
    assert found == crash(saved.dump, vmlinux, *commands)


def test_drgn_lists_the_tasks(saved: Saved, core: Path) -> None:
    """drgn has the banner, the processes that were started, and a back trace, all as for QEMU's dump."""
    vmlinux = symbols(saved)
    found = drgn(core, vmlinux)
    assert f"banner {saved.banner}" in found
    assert "task 1 init" in found
    assert all(re.search(rf"^task \d+ {name}$", found, re.M) for name in SLEEPERS)
    assert "do_syscall_64" in found
    assert found == drgn(saved.dump, vmlinux)


def test_drgn_lists_the_tasks_of_a_guest_that_ran(saved: Saved, tmp_path: Path) -> None:
    """The core of an image that was saved live is whole: banner, processes and back traces."""
    vmlinux, core = symbols(saved), tmp_path / "running.core"
    domctx("convert", saved.running, f"elf:{core}")
    found = drgn(core, vmlinux)
    assert f"banner {saved.banner}" in found
    assert all(re.search(rf"^task \d+ {name}$", found, re.M) for name in SLEEPERS)


def test_linux_goes_on_in_another_qemu(saved: Saved, tmp_path: Path) -> None:
    """What was saved live runs on when it is loaded: the next second is counted, and Linux complains of nothing."""
    serial = tmp_path / "serial.txt"
    with RealQemu(*saved.line, "-serial", f"file:{serial}") as qemu:
        qemu.start("defer")
        domctx("load", saved.running, f"qmp:{qemu.socket}")
        text = wait_text(qemu, serial, r"(?s)second \d+\r?\n.*second \d+\r?\n.*second \d+\r?\n")
    counted = seconds(text)
    assert counted == list(range(counted[0], counted[0] + len(counted)))
    assert 2 <= counted[0] <= seconds(saved.text)[-1]
    assert re.sub(r"(?m)^(second \d+)?\r?\n", "", text) == ""


def test_saved_live_is_as_the_stream_of_qemu(saved: Saved) -> None:
    """Of the same standing guest, an image saved live holds the RAM and devices that QEMU's own stream has.

    Devices taken alone have no ROMs, no descriptions and nothing behind them; the real-time clock goes on.
    """
    if saved.standing is None:
        pytest.skip("with private RAM QEMU migrates a standing guest once")
    lines = domctx("diff", saved.standing, saved.stream, code=1).stdout.decode().splitlines()
    assert [text for text in lines if not UNEQUAL.match(text)] == []


def check_banner(saved: Saved, file: Path) -> None:
    """The banner, read through the page tables of both vCPUs."""
    for vcpu in ("0", "1"):
        at = saved.address("linux_banner")
        found = read_octets(file, at, len(saved.banner), "--virtual", "--vcpu", vcpu)
        assert found.decode() == saved.banner


def vcpu_texts(saved: Saved) -> list[str]:
    """What was printed of each vCPU."""
    return [part for part in re.split(r"CPU#\d+", saved.registers) if part.strip()]


def symbols(saved: Saved) -> Path:
    """The kernel with its symbols; skips where it was not downloaded."""
    if saved.linux.vmlinux is None:
        pytest.skip("no kernel with symbols (a download of 0.9 GB: set DOMCTX_LINUX_SYMBOLS=1)")
    return saved.linux.vmlinux


def loads(elf: ELFFile) -> list[Iterator[bytes]]:
    """The octets of each PT_LOAD, in pieces."""
    return [pieces(elf, part) for part in elf.iter_segments() if part["p_type"] == "PT_LOAD"]


def pieces(elf: ELFFile, part: Segment) -> Iterator[bytes]:
    """A segment's octets."""
    header = part.header
    for start in range(0, header["p_filesz"], CHUNK):
        elf.stream.seek(header["p_offset"] + start)
        yield elf.stream.read(min(CHUNK, header["p_filesz"] - start))


def places(elf: ELFFile) -> list[tuple[int, int]]:
    """Address and size of each PT_LOAD."""
    return [(part["p_paddr"], part["p_memsz"]) for part in elf.iter_segments() if part["p_type"] == "PT_LOAD"]


def first_difference(mine: Iterator[bytes], judge: Iterator[bytes]) -> int | None:
    """Where two segments differ first."""
    for number, pair in enumerate(zip(mine, judge, strict=True)):
        if pair[0] != pair[1]:
            left, right = (np.frombuffer(part, np.uint8) for part in pair)
            return number * CHUNK + int(np.argmax(left != right))
    return None


def notes(elf: ELFFile) -> list[tuple[str, object, bytes]]:
    """Name, type and octets of each note."""
    found: list[tuple[str, object, bytes]] = []
    for part in elf.iter_segments():
        if isinstance(part, NoteSegment):
            found += [(note["n_name"], note["n_type"], note["n_descdata"]) for note in part.iter_notes()]
    return found
