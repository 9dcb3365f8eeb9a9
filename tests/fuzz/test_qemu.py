"""The readers and the writer of QEMU streams, libvirt images and what they are made of against mutated input."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import attrs
import pytest

from domctx.api import Domain
from domctx.context import OpenContext, Operation
from domctx.sinks import CountingSink
from domctx.states import DEVICES, FOREIGN_HEAD, FOREIGN_TAIL, MEMORY
from domctx_cpu.show_registers import described
from domctx_foreign import StoredForeign
from domctx_libvirt.domain import open_domain as open_libvirt
from domctx_libvirt.plugin import OPTIONS as LIBVIRT_OPTIONS
from domctx_qemu.fields import decode
from domctx_qemu_stream.domain import open_domain
from domctx_qemu_stream.plugin import OPTIONS
from domctx_qemu_stream.vcpus import provide
from domctx_qemu_stream.writer import write
from helpers import qemu_streams as qs
from helpers.fuzzing import mutations, survives
from helpers.qemu_arriving import passed
from helpers.qemu_channels import MAIN, WHOLE, head, packet
from helpers.qemu_registers import section
from helpers.qemu_snapshots import image
from helpers.qemu_writing import Held

LIMIT = 512 << 20
"""Octets of peak memory that no reader may pass, the interpreter and every library included."""
PAGE = qs.PAGE
MOST_WRITTEN = 4096
"""Pages of the largest machine that is written anew."""


@pytest.fixture(scope="module")
def seconds(request: pytest.FixtureRequest) -> float:
    """How long each target runs."""
    return float(request.config.getoption("--fuzz-seconds"))


def use(domain: Domain) -> None:
    """Ask for everything that a domain has; of its memory for the beginning."""
    assert domain.machine.hypervisor == "qemu"
    memory = domain.state(MEMORY)
    if memory is not None:
        for _ in islice(memory.batches(64), 64):
            pass
    devices = domain.state(DEVICES)
    for each in devices.sections if devices is not None else ():
        decode(each.description, each.octets)
    vcpus = provide(domain)
    for registers in vcpus.vcpus.values() if vcpus is not None else ():
        described(registers)
    if memory is None or sum(block.pages for block in memory.blocks) < MOST_WRITTEN:
        write(domain, CountingSink(), OpenContext(Operation(), (), {}))
    for key in (FOREIGN_HEAD, FOREIGN_TAIL):
        foreign = domain.state(key)
        list(foreign.parts if foreign is not None else ())


def fuzz(seeds: Sequence[bytes], seconds: float, target: Callable[[bytes], None]) -> None:
    """Try mutations of the seeds; each is accepted or refused, in bounded memory."""
    for octets in seeds:
        assert survives(target, octets)
    for octets in mutations(seeds, seconds):
        survives(target, octets)


def streams() -> list[bytes]:
    """Streams of every shape."""
    old = qs.pages(2)
    new = old[:100] + b"new" + old[103:]
    records = qs.data(0, qs.pages(1), "pc.ram") + qs.data(1, old) + qs.packed(2, qs.pages(3)) + qs.fill(3, 9)
    cpu = section(12, True, {"fpregs_format": 0})
    fields = [qs.field("env.eip", 8), qs.field("rest", len(cpu) - 8, "buffer")]
    device = qs.described(
        "cpu", fields, subsections=[{"vmsd_name": "cpu/x", "version": 1, "fields": [qs.field("a", 4)]}]
    )
    everything = qs.stream(
        qs.configuration(
            "pc-i440fx-7.2", qs.capabilities("x-ignore-shared"), qs.subsection("configuration/uuid", bytes(16))
        ),
        qs.command(3, qs.u64(PAGE) * 2),
        qs.section(1, 2, qs.block_list({"pc.ram": 4 * PAGE, "m0": PAGE}, qs.u64(0)) + qs.EOF_WORD, "ram", 0, 4),
        qs.section(1, 3, qs.u64(2), "block", 0, 1),
        qs.section(2, 2, records + qs.EOF_WORD),
        qs.section(2, 2, qs.delta(1, old, new) + qs.EOF_WORD),
        qs.section(3, 2, qs.EOF_WORD),
        qs.section(3, 3, qs.u64(2)),
        qs.section(4, 4, cpu + qs.subsection("cpu/x", qs.u32(1)), "cpu", 0, 12),
        qs.ending([device]),
    )
    shapes = [qs.plain(footer=footer, described_=described) for footer in (True, False) for described in (True, False)]
    return [everything, *shapes]


def test_streams(seconds: float, tmp_path: Path) -> None:
    """Streams with every kind of section and record."""

    def target(octets: bytes) -> None:
        path = qs.written(tmp_path, octets)
        domain = open_domain(str(path), OpenContext(Operation(), OPTIONS, {}))
        try:
            use(domain)
        finally:
            domain.close()

    fuzz([*streams(), qs.mapped(), image(qs.plain()), image(qs.modern(), extended=True)], seconds, target)


def test_streams_that_pass(seconds: float) -> None:
    """Streams that come through a pipe, once."""

    def target(octets: bytes) -> None:
        passed(octets)

    fuzz([qs.modern(), qs.plain(), qs.plain(footer=False, described_=False)], seconds, target)


def test_channels(seconds: float, tmp_path: Path) -> None:
    """Channels of multifd, whose pages are packed or not."""
    main = qs.written(tmp_path, MAIN)

    def target(octets: bytes) -> None:
        given = {"channel": [str(qs.written(tmp_path, octets, "channel"))]}
        domain = open_domain(str(main), OpenContext(Operation(), OPTIONS, given))
        try:
            use(domain)
        finally:
            domain.close()

    packer = zlib.compressobj()
    packed = packer.compress(qs.pages(*range(6))) + packer.flush(zlib.Z_SYNC_FLUSH)
    several = (
        packet(1, [0, 1], [5], qs.pages(1, 2))
        + packet(5, flags=1, size=99)
        + packet(6, [4, 2, 3], [], qs.pages(7, 8, 9))
    )
    fuzz([head(0) + each for each in (WHOLE, packet(0, range(6), [], packed, flags=2), several)], seconds, target)


def test_libvirt_images(seconds: float, tmp_path: Path) -> None:
    """Images, raw and packed."""

    def saved(stream: bytes, method: int) -> bytes:
        data = b"<domain><name>x</name></domain>\0<cookie/>\0" + bytes(40)
        return b"LibvirtQemudSave" + struct.pack("<5I56x", 2, len(data), 1, method, 32) + data + stream

    def target(octets: bytes) -> None:
        path = qs.written(tmp_path, octets)
        domain = open_libvirt(str(path), OpenContext(Operation(), LIBVIRT_OPTIONS, {}))
        try:
            use(domain)
        finally:
            domain.close()

    fuzz([saved(qs.plain(), 0), saved(gzip.compress(qs.plain()), 1)], seconds, target)


def test_kept_heads_and_tails(seconds: float, tmp_path: Path) -> None:
    """What an image keeps of a stream's head and tail, mutated: written, or refused."""
    domain = open_domain(str(qs.written(tmp_path, streams()[0])), OpenContext(Operation(), OPTIONS, {}))
    states = {key: domain.state(key) for key in (FOREIGN_HEAD, FOREIGN_TAIL)}
    parts = [(key, part) for key, state in states.items() if state is not None for part in state.parts]

    def target(octets: bytes) -> None:
        which, found = (octets or b"\0")[0] % len(parts), {key: StoredForeign() for key in states}
        for place, (key, part) in enumerate(parts):
            found[key].store(attrs.evolve(part, octets=octets[1:]) if place == which else part)
        write(Held.of(domain, found), CountingSink(), OpenContext(Operation(), (), {}))

    fuzz([bytes((place,)) + part.octets for place, (_, part) in enumerate(parts)], seconds, target)
    domain.close()
