"""Packing, judged by the programs that libvirt unpacks with."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from domctx.sinks import BytesSink
from domctx_libvirt.pack import LZOP_BLOCK, PACKERS, PackSink

OCTETS = bytes(range(256)) * (LZOP_BLOCK // 256) + b"and a little more"


@pytest.mark.parametrize("method", PACKERS)
@pytest.mark.parametrize("size", [0, 5, LZOP_BLOCK, len(OCTETS)])
def test_the_program_unpacks_it(method: str, size: int) -> None:
    """What was packed in steps is unpacked by ``PROGRAM -dc`` to the same octets."""
    if shutil.which(method) is None:
        pytest.skip(f"{method} is not installed")
    sink = BytesSink()
    packed = PackSink(sink, method)
    for start in range(0, size, 100_000):
        packed.write(memoryview(OCTETS)[start : min(start + 100_000, size)])
    packed.close()
    assert subprocess.run([method, "-dc"], input=sink.octets, capture_output=True, check=True).stdout == OCTETS[:size]
