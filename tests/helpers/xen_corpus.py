"""The corpus of real Xen streams: unpacked, with the memory that was recorded beside each."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from domctx.cli.run import run as domctx

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PAGE = 4096
WINDOW_LOG = 27
"""The files were packed with long windows."""
STREAMS = {
    "xen4.14-pv-live-migration-40MiB": "migrate.stream",
    "xen4.17-hvm-seabios-16MiB": "save.img",
    "xen4.17-pv-linux-40MiB": "save.img",
    "xen4.17-pv-linux-40MiB-checkpoint": "save.img",
    "xen4.17-pv-mini-4MiB": "save.img",
    "xen4.17-pvh-linux-40MiB": "save.img",
    "xen4.17-pvh-remus-40MiB": "remus.stream",
}
"""The stream in each folder."""
XEN_TOOLS = Path("/usr/lib/xen-4.17")


class XenCorpus:
    """Unpacks files of the corpus into a folder, each once."""

    def __init__(self, source: Path, goal: Path) -> None:
        self.source, self._goal = source, goal

    def path(self, name: str, file: str | None = None) -> Path:
        """A file of one folder, unpacked: its stream, where none is named."""
        file = file or STREAMS[name]
        goal = self._goal / f"{name}.{file}"
        if not goal.exists():
            options = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG}
            packed = (self.source / name / f"{file}.zst").read_bytes()
            goal.write_bytes(zstd.decompress(packed, options=options))
        return goal

    def check(self, name: str) -> dict[str, Any]:
        """What an independent walk found."""
        found: dict[str, Any] = json.loads((self.source / name / "check.json").read_text())
        return found

    def text(self, name: str, file: str) -> str:
        """A text that stands in the folder."""
        return (self.source / name / file).read_text()

    def memory(self, name: str) -> Iterator[tuple[int, bytes]]:
        """(PFN, page) of the memory as Xen's tools saw it at that moment; nothing where it was not recorded."""
        if (self.source / name / "core.elf.zst").exists():
            yield from core_pages(self.path(name, "core.elf"))
        elif (self.source / name / "gmem.bin.zst").exists():
            yield from _recorded(self.path(name, "gmem.bin"))


def core_pages(path: Path) -> Iterator[tuple[int, bytes]]:
    """(PFN, page) of a core of xl dump-core, of a paravirtualised guest (formats/xen.md 7)."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        pages, p2m = (_section(elf, name) for name in (".xen_pages", ".xen_p2m"))
    for place in range(len(p2m) // 16):
        pfn, _ = struct.unpack_from("<QQ", p2m, 16 * place)
        if pfn != 0xFFFF_FFFF_FFFF_FFFF:
            yield pfn, pages[place * PAGE : (place + 1) * PAGE]


def _section(elf: ELFFile, name: str) -> bytes:
    section = elf.get_section_by_name(name)
    assert section is not None
    found: bytes = section.data()
    return found


def _recorded(path: Path) -> Iterator[tuple[int, bytes]]:
    octets = path.read_bytes()
    for place in range(0, len(octets), 16 + PAGE):
        pfn, one = struct.unpack_from("<QQ", octets, place)
        assert one == 1
        yield pfn, octets[place + 16 : place + 16 + PAGE]


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(*arguments: object, code: int = 0) -> str:
    """What ``domctx`` writes, in this process; it ends with the exit code ``code``."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        found = domctx(list(map(str, arguments)))
    assert found == code, errors.getvalue()
    return out.getvalue() if code == 0 else out.getvalue() + errors.getvalue()


def verify_stream_v2(path: Path, framing: str, tools: Path = XEN_TOOLS) -> subprocess.CompletedProcess[str]:
    """What Xen's own verifier says of a stream."""
    command = [sys.executable, str(tools / "bin/verify-stream-v2"), "-v", "-i", str(path), "-f", framing]
    environment = {"PYTHONPATH": str(tools / "lib/python")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
