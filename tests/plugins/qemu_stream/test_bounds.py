"""Hostile streams and images under a bound: read and written in processes whose memory is measured."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import qemu_streams as qs
from helpers.qemu_libvirt import image
from helpers.qemu_streams import PAGE

LIMIT = 256 << 20
"""Octets of memory that no command may take, the interpreter included."""
HUGE = 1 << 41
"""Octets of RAM of which the stream does not tell."""
DEEP = b"\x00\x06" + qs.u32(1 << 20) + b'{"devices":' + b"[" * ((1 << 20) - 11)
WIDE = qs.ending([qs.described("timer", [qs.field(f"f{number}", 0) for number in range(20_000)])])
MANY = b"".join(qs.section(4, number, b"", f"d{number}") for number in range(70_000))


def stream(*elements: bytes, blocks: dict[str, int] | None = None) -> bytes:
    """A stream of RAM and more."""
    return qs.stream(
        qs.configuration(), qs.ram(blocks or {"pc.ram": PAGE}, qs.data(0, qs.pages(1), "pc.ram")), *elements
    )


def bomb(octets: bytes) -> bytes:
    """Octets and 320 MiB of zeros, packed: members one behind the other."""
    return gzip.compress(octets) + gzip.compress(bytes(16 << 20)) * 20


HOSTILE = {
    "a name that is a path": stream(qs.ending(), blocks={"pc.ram": PAGE, "../x": PAGE}),
    "a block of 2^63 octets": qs.stream(
        qs.section(1, 2, qs.u64(4 | PAGE) + qs.text("a") + qs.u64(1 << 63), "ram", 0, 4)
    ),
    "a terabyte that is not told": stream(qs.ending(), blocks={"pc.ram": HUGE}),
    "a description that nests": stream(DEEP),
    "a description that repeats": stream(qs.section(4, 5, b"", "timer"), WIDE),
    "more sections than there can be": stream(MANY, qs.ending()),
    "an id that is used again": stream(qs.section(4, 2, b"", "timer"), qs.ending()),
    "a page outside": stream(qs.section(2, 2, qs.data(1 << 40, qs.pages(1), "pc.ram") + qs.EOF_WORD), qs.ending()),
    "a section without end": stream(qs.section(4, 5, b"\x01" * (8 << 20), "x", footer=False)),
    "a bomb": image(bomb(stream(qs.ending())), 1),
    "a bomb before its RAM": image(bomb(qs.stream(qs.configuration())), 1),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_memory_is_bounded_and_nothing_else_is_written(what: str, tmp_path: Path) -> None:
    """Each command ends with an exit code of ours, in bounded memory, and only a goal that is whole is there."""
    source = qs.written(tmp_path, HOSTILE[what], "hostile")
    for arguments in (
        ("info", source),
        ("verify", source),
        ("convert", source, f"qemu:{tmp_path / 'out.mig'}"),
    ):
        code, peak, told = measured(*map(str, arguments))
        assert code in (0, 1, 3, 4, 5, 6), told
        assert "Traceback" not in told
        assert peak < LIMIT
    assert {each.name for each in tmp_path.iterdir()} <= {"hostile", "out.mig"}


MEASURED = """
import sys
from domctx.cli.run import run
code = run(sys.argv[1:])
with open("/proc/self/status") as status:
    peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
print(peak, file=sys.stderr)
sys.exit(code)
"""


def measured(*arguments: str) -> tuple[int, int, str]:
    """A command's exit code, the most memory that it took in octets, and what it said of what is wrong."""
    line = [sys.executable, "-c", MEASURED, "--quiet", *arguments]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    *told, peak = done.stderr.splitlines()
    return done.returncode, int(peak) << 10, "\n".join(told)
