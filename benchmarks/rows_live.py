"""Rows about live machines: QEMU with private and with shared memory, saved and loaded."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench, Result, Row, described, remove
from benchmarks.guests import Qemu, running
from benchmarks.measure import Process, Run, in_turn, tool


def save(*, shared: bool, ours: tuple[str, ...], peer: str) -> Callable[[Bench], Result]:
    """``domctx save`` against QEMU's own ``migrate`` through ``peer``, over one machine that runs between the saves."""

    def run(bench: Bench) -> Result:
        with contextlib.ExitStack() as machines:
            ram = _copy(bench)
            qemu = machines.enter_context(running(ram, bench.mib, shared=shared))
            goal, packed = bench.out("saved.dctx"), bench.out("saved.peer")
            work = bench.domctx("save", f"qmp:{qemu.path}", goal, *ours)
            pairs = in_turn(_ours(qemu, work, goal), _peer(qemu, peer, packed), bench.pairs)
            return Result(pairs.ratio(), described(pairs))

    return run


def _copy(bench: Bench) -> Path:
    """The memory in tmpfs, where a guest's shared memory would be; holes stay holes."""
    copy = Path("/dev/shm") / f"domctx-benchmark-{bench.mib}.raw"
    Process(["cp", "--sparse=always", str(bench.ram()), str(copy)])()
    return copy


def _ours(qemu: Qemu, work: Process, goal: Path) -> Callable[[], Run]:
    def run() -> Run:
        remove(goal)
        qemu.again()
        qemu.release()
        before = qemu.cpu()
        try:
            spent = work()
        finally:
            qemu.connect()
        return Run(spent.wall, spent.cpu + qemu.cpu() - before, spent.peak)

    return run


def _peer(qemu: Qemu, command: str, goal: Path) -> Callable[[], Run]:
    def run() -> Run:
        remove(goal)
        qemu.again()
        before, started = qemu.cpu(), time.perf_counter()
        qemu("migrate", uri=f"exec:{command.format(goal=goal)}")
        qemu.migrated()
        return Run(time.perf_counter() - started, qemu.cpu() - before)

    return run


def load(*, shared: bool) -> Callable[[Bench], Result]:
    """An image into a waiting QEMU, against ``-incoming`` from ``zstd -dc`` of the same stream."""

    def run(bench: Bench) -> Result:
        image, packed = bench.image(), bench.zstd_stream()
        zstd = tool("zstd")

        def ours() -> Run:
            with running(_empty(bench), bench.mib, shared=shared, more=("-incoming", "defer")) as qemu:
                qemu.release()
                before = qemu.cpu()
                spent = bench.domctx("load", image, f"qmp:{qemu.path}")()
                return Run(spent.wall, spent.cpu + qemu.cpu() - before, spent.peak)

        def peer() -> Run:
            with running(_empty(bench), bench.mib, more=("-incoming", "defer")) as qemu:
                before, started = qemu.cpu(), time.perf_counter()
                qemu("migrate-incoming", uri=f"exec:{zstd} -q -dc {packed}")
                qemu.migrated()
                return Run(time.perf_counter() - started, qemu.cpu() - before)

        return bench.against(ours, peer)

    return run


def _empty(bench: Bench) -> Path:
    """An empty file of the guest's size in tmpfs."""
    path = Path("/dev/shm") / "domctx-benchmark-empty.raw"
    remove(path)
    with path.open("wb") as file:
        file.truncate(bench.mib << 20)
    return path


PACKED: Final = "zstd -q -1 -T2 -f -o {goal}"
ROWS: Final = (
    Row("save-shared", "save live QEMU, shared RAM, zstd", "migrate | zstd -1 -T2", 0.8, 0.5,
        save(shared=True, ours=(), peer=PACKED)),
    Row("save-private", "save live QEMU, private RAM, zstd", "migrate | zstd -1 -T2", 0.95, 0.75,
        save(shared=False, ours=(), peer=PACKED)),
    Row("save-raw", "save live QEMU, shared RAM, no compression", "migrate to a file", 0.9, 0.5,
        save(shared=True, ours=("-O", "compression=none"), peer="cat > {goal}")),
    Row("save-seed", "save live QEMU, private RAM, zstd", "migrate | gzip -1", 0.13, 0.07,
        save(shared=False, ours=(), peer="gzip -1 > {goal}")),
    Row("load", "load an image into QEMU", "-incoming from zstd -dc", 0.9, 0.5, load(shared=False)),
    Row("load-shared", "load into a shared RAM file", "-incoming from zstd -dc", 0.5, 0.25, load(shared=True)),
)  # fmt: skip
