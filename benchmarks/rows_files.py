"""Rows about files: opening, reading, checking and converting them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench, Result, Row, shell
from benchmarks.measure import Process, Run, tool


def index(mib: int | None, *, fragmented: bool = False) -> Callable[[Bench], Result]:
    """``domctx info`` of a stream: every page's place is known afterwards."""

    def run(bench: Bench) -> Result:
        stream = bench.stream(mib, fragmented=fragmented)
        peer = Process([bench.peer("crash-loader"), str(stream)])
        return bench.against(bench.domctx("info", stream), peer)

    return run


def state_as_json(bench: Bench) -> Result:
    """``domctx show --json`` of the devices against QEMU's own script."""
    stream = bench.stream()
    peer = Process([*bench.script("analyze-migration"), "-d", "state", "-f", str(stream)])
    return bench.against(bench.domctx("show", stream, "DEVICE", "--json"), peer)


def extract(bench: Bench) -> Result:
    """RAM to a raw file against ``cp`` of the stream."""
    stream, goal, copy = bench.stream(), bench.out("extracted.raw"), bench.out("copy.mig")
    ours = bench.domctx("extract", stream, "memory", "-o", goal, before=bench.goal("extracted.raw"))
    return bench.against(ours, Process(["cp", str(stream), str(copy)], before=bench.goal("copy.mig")))


def random_reads(bench: Bench) -> Result:
    """64 MiB at random after opening, against volatility3's layer."""
    stream = bench.stream()
    ours = _told(bench.task("random-reads", stream, 64))
    return bench.against(ours, _told(Process([*bench.script("volatility-reads"), str(stream), "64"])))


def one_page(what: str) -> Callable[[Bench], Result]:
    """The median time of one random page, in microseconds."""

    def run(bench: Bench) -> Result:
        path = bench.stream() if what == "stream" else bench.image()
        spent = [_told(bench.task("one-page", path, 4096))().wall * 1e6 for _ in range(bench.pairs)]
        return Result(sorted(spent)[len(spent) // 2], {"microseconds": [round(each, 2) for each in spent]})

    return run


def verify(*how: str) -> Callable[[Bench], Result]:
    """Every digest of an image, and every frame where nothing else is said, against Xen's own verifier on its RAM."""

    def run(bench: Bench) -> Result:
        stream = bench.libxc()
        verifier = Path(bench.peer("verify-stream-v2"))
        found = f"PYTHONPATH={verifier.parent.parent}/lib/python"
        peer = Process(["env", found, sys.executable, str(verifier), "-f", "libxc", "-i", str(stream)])
        return bench.against(bench.domctx("verify", *how, bench.image()), peer)

    return run


def convert(bench: Bench) -> Result:
    """A libxc stream to an image and back, against zstd there and back."""
    stream, image, back = bench.libxc(), bench.out("libxc.dctx"), bench.out("back.xen")
    zstd = tool("zstd")
    domctx = f"{Path(sys.executable).with_name('domctx')} -q convert --force"
    ours = Process(shell(f"{domctx} {stream} {image} && {domctx} {image} xen:{back}"))
    packed, again = bench.out("libxc.zst"), bench.out("again.xen")
    peer = Process(shell(f"cat {stream} | {zstd} -q -1 -T2 > {packed} && {zstd} -q -dc {packed} > {again}"))
    return bench.against(ours, peer)


def gzip(bench: Bench) -> Result:
    """CPU time of writing gzip: what LGR and libvirt images need, against ``gzip -1``, both of one file as it is."""
    plain, goal = bench.lgr_plain(), bench.out("again.lgr")
    peer = Process(shell(f"{tool('gzip')} -1 -c {plain} > {bench.out('plain.gz')}"))
    ours = bench.domctx("convert", plain, f"lgr:{goal}", before=bench.goal("again.lgr"))
    return bench.against(ours, peer, "cpu")


def canonicalise(width: int) -> Callable[[Bench], Result]:
    """Both ways over page tables, against a plain loop with the same result."""

    def run(bench: Bench) -> Result:
        ours, peer = (_told(bench.task(name, width, 2048)) for name in ("canonicalise", "canonicalise-plainly"))
        return bench.against(ours, peer)

    return run


def records(bench: Bench) -> Result:
    """A million small records through the plugin layer, against a bare loop with ``struct``."""
    ours, peer = (_told(bench.task(name, 1_000_000)) for name in ("records", "records-plainly"))
    return bench.against(ours, peer)


def version(bench: Bench) -> Result:
    """``domctx --version`` against an empty Python."""
    return bench.against(Process([str(Path(sys.executable).with_name("domctx")), "--version"]), _nothing())


def info(bench: Bench) -> Result:
    """``domctx info`` of an image against an empty Python."""
    return bench.against(bench.domctx("info", bench.image()), _nothing())


def _nothing() -> Process:
    return Process([sys.executable, "-c", "pass"])


def _told(process: Process) -> Callable[[], Run]:
    """A task's own seconds as its wall time."""

    def run() -> Run:
        said = subprocess.run(process.arguments, stdout=subprocess.PIPE, check=True).stdout
        seconds = float(json.loads(said)["seconds"])
        return Run(seconds, seconds)

    return run


ROWS: Final = (
    Row("index-1g", "index a stream, 1 GiB", "crash's loader in C", 0.5, 0.25, index(None)),
    Row("index-4g", "index a stream, 4 GiB", "crash's loader in C", 0.2, 0.08, index(4096)),
    Row("index-fragmented", "index a fragmented stream", "crash's loader in C", 1.0, 0.5, index(None, fragmented=True)),
    Row("state-json", "state as JSON", "analyze-migration.py -d state", 0.25, 0.1, state_as_json),
    Row("extract", "extract RAM to a raw file", "cp of the stream", 2.0, 1.0, extract),
    Row("random-reads", "read 64 MiB at random", "volatility3's QEMU layer", 0.1, 0.02, random_reads),
    Row("page-stream", "one random page of a stream, us", "microseconds", 3.0, 1.0, one_page("stream")),
    Row("page-image", "one random page of an image, us", "microseconds", 200.0, 70.0, one_page("image")),
    Row("verify", "verify an image", "verify-stream-v2 on the same RAM", 0.5, 0.2, verify()),
    Row(
        "verify-digests",
        "digests of an image alone",
        "verify-stream-v2 on the same RAM",
        0.5,
        0.2,
        verify("--digests"),
    ),
    Row("convert", "libxc stream to an image and back", "zstd -1 -T2 and back", 1.2, 0.8, convert),
    Row("canonicalise-64", "page tables of 64 bits, both ways", "a plain loop", 1 / 25, 1 / 80, canonicalise(8)),
    Row("canonicalise-32", "page tables of 32 bits, both ways", "a plain loop", 1 / 25, 1 / 80, canonicalise(4)),
    Row("records", "1,000,000 small records", "a bare struct loop", 2.5, 0.5, records),
    Row("gzip", "write gzip, CPU", "gzip -1", 0.2, 0.1, gzip),
    Row("version", "domctx --version", "python -c pass", 2.0, 1.8, version),
    Row("info", "domctx info of an image", "python -c pass", 6.0, 4.5, info),
)
