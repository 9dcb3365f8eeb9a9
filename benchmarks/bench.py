"""What a row works with: the folder of inputs, each made when it is first asked for, and where the peers are."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks import inputs
from benchmarks.guests import write_stream
from benchmarks.measure import Missing, Pairs, Process, Runner, in_turn, tool

SEED = 1


@attrs.frozen
class Row:
    """One line of the table: a ratio to the peer, or to a bound of ours (``unit`` says of what)."""

    name: str
    what: str
    against: str
    at_most: float
    aim: float
    run: Callable[[Bench], Result]


@attrs.frozen
class Result:
    """What a row gave: ``value`` is what is held against ``at_most``."""

    value: float
    figures: dict[str, Any]


@attrs.frozen
class Bench:
    """``peers`` are paths by name, from the command line."""

    folder: Path
    mib: int
    pairs: int
    peers: dict[str, str] = attrs.field(factory=dict)

    def domctx(self, *arguments: object, **more: Any) -> Process:
        """Our command line as a whole process."""
        return Process([str(Path(sys.executable).with_name("domctx")), "-q", *map(str, arguments)], **more)

    def task(self, name: str, *arguments: object) -> Process:
        """One of ``benchmarks.tasks``."""
        return Process([sys.executable, "-m", "benchmarks.tasks", name, *map(str, arguments)])

    def peer(self, name: str) -> str:
        """A peer that was fetched for the measurement. Raises Missing."""
        if name not in self.peers:
            raise Missing(f"no --peer {name}=PATH was given")
        return self.peers[name]

    def script(self, name: str) -> list[str]:
        """A peer that is a Python script: by the interpreter named before its path, else by ours. Raises Missing."""
        words = self.peer(name).split()
        return words if len(words) > 1 else [sys.executable, *words]

    def against(self, ours: Runner, peer: Runner, figure: str = "wall") -> Result:
        """Both in turn; the ratio of a figure."""
        pairs = in_turn(ours, peer, self.pairs)
        return Result(pairs.ratio(figure), described(pairs))

    def made(self, name: str, make: Callable[[Path], None]) -> Path:
        """An input: made once, kept in the folder."""
        path = self.folder / name
        if not path.exists():
            partial = path.with_suffix(".partial")
            remove(partial)
            make(partial)
            partial.rename(path)
        return path

    def ram(self, mib: int | None = None, *, fragmented: bool = False) -> Path:
        """A guest's memory."""
        size = mib or self.mib
        name = f"ram-{size}{'-fragmented' if fragmented else ''}.raw"
        return self.made(name, lambda path: inputs.make_ram(path, size, SEED, fragmented=fragmented))

    def stream(self, mib: int | None = None, *, fragmented: bool = False) -> Path:
        """The stream of a real QEMU that holds that memory. Raises Missing."""
        size = mib or self.mib
        ram = self.ram(size, fragmented=fragmented)
        name = f"stream-{size}{'-fragmented' if fragmented else ''}.mig"
        return self.made(name, lambda path: write_stream(ram, size, path))

    def image(self, mib: int | None = None) -> Path:
        """Our image of that machine."""
        size = mib or self.mib
        return self.made(f"image-{size}.dctx", lambda path: run(self.domctx("convert", self.stream(size), path)))

    def zstd_stream(self) -> Path:
        """The stream as ``zstd -1`` packs it."""
        stream, zstd = self.stream(), tool("zstd")
        return self.made(
            f"stream-{self.mib}.zst", lambda path: run(Process([zstd, "-q", "-1", "-T2", str(stream), "-o", str(path)]))
        )

    def guest(self) -> Path:
        """A simulated Xen machine of 2004 whose kernel is a stretch of the memory: 704 MiB of 800."""
        return self.made("guest.sim", self._build)

    def _build(self, path: Path) -> None:
        payload, kernel = self.out("payload.bin"), self.out("guest.img")
        with self.ram().open("rb") as ram:
            payload.write_bytes(ram.read(704 << 20))
        remove(kernel)
        run(self.domctx("make-guest", payload, "--load-address", "0xC0000000", "-o", kernel))
        run(self.domctx("build", kernel, f"sim:{path}", "--memory", "800M"))

    def lgr(self) -> Path:
        """Its LinuxGuestRecord."""
        return self.made("guest.lgr", lambda path: run(self.domctx("convert", f"sim:{self.guest()}", f"lgr:{path}")))

    def lgr_plain(self) -> Path:
        """The same, not compressed."""
        return self.made(
            "guest-plain.lgr", lambda path: run(self.domctx("convert", self.lgr(), f"lgr:{path}", "-O", "gzip=no"))
        )

    def libxc(self) -> Path:
        """A libxc stream of a fully virtualised guest with that memory."""
        from benchmarks.xen_streams import write_libxc

        ram = self.ram()
        return self.made(f"libxc-{self.mib}.xen", lambda path: write_libxc(ram, path))

    def goal(self, name: str) -> Callable[[], None]:
        """Removes what an earlier run left in the folder of goals."""
        return functools.partial(remove, self.out(name))

    def out(self, name: str) -> Path:
        """Where a run writes."""
        folder = self.folder / "out"
        folder.mkdir(exist_ok=True)
        return folder / name

    def tidy(self) -> None:
        """Remove what runs wrote; inputs stay."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run(process: Process) -> None:
    """Run something whose time does not count."""
    process()


def shell(command: str) -> list[str]:
    """A pipeline of peers, as their users write it; it fails where any part does."""
    return ["bash", "-c", f"set -o pipefail; {command}"]


def described(pairs: Pairs) -> dict[str, Any]:
    """The figures of both sides for the report."""
    return {
        side: {
            "wall": round(pairs.median(side, "wall"), 4),
            "cpu": round(pairs.median(side, "cpu"), 4),
            "peak MiB": round(pairs.median(side, "peak") / (1 << 20), 1),
            "walls": [round(each.wall, 4) for each in getattr(pairs, side)],
        }
        for side in ("ours", "peer")
    } | {"cpu ratio": round(pairs.ratio("cpu"), 3)}


def version_of(arguments: Sequence[str]) -> str:
    """The first line that a program says of itself, or that it is missing."""
    try:
        said = subprocess.run(arguments, capture_output=True, text=True, check=False)
    except OSError:
        return "not installed"
    return (said.stdout or said.stderr).strip().partition("\n")[0]
