"""Hostile lengths and counts allocate nothing: each is tried where hardly any memory is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

SCRIPT = """
import os, resource, sys
from pathlib import Path
import blake3, cbor2, numpy
from domctx.context import Operation
from domctx.directory import HEAD, MAGIC, TAIL, WIRE_TYPE
from domctx.errors import DomctxError
from domctx.image import open_image
from domctx.load import load
from domctx.schema import cbor
from domctx.sources import BytesSource, FileSource
from domctx.verify import verify_stream
from domctx.wire import END_RECORD, TYPE_MANIFEST, pack_header
from helpers import toys
from helpers.toy_images import records_of, saved, states, toy_registry
from helpers.toy_machines import ToyTarget

registry, image = toy_registry(), saved(toy_registry(), states())
start, manifest, *rest = records_of(image)
load(BytesSource(image), ToyTarget(), registry)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (48 << 20), used + (48 << 20)))
HUGE = (1 << 63, 1 << 40, 1 << 31)

def endless(head):
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        try:
            os.write(writing, head)
            for _ in range(200):
                os.write(writing, bytes(1 << 20))
        except OSError:
            pass
        os._exit(0)
    os.close(writing)
    return FileSource(reading, "endless"), reading

def refused(call, *arguments):
    try:
        call(*arguments)
    except DomctxError as error:
        print(type(error).__name__)
    else:
        raise SystemExit("accepted")

def from_pipe(head):
    source, reading = endless(head)
    target = ToyTarget()
    try:
        load(source, target, registry)
    finally:
        assert target.events[-1] == "abort"
        os.close(reading)

def from_file(octets, size, tail=b""):
    path = sys.argv[1]
    with open(path, "wb") as file:
        file.write(octets)
        file.truncate(size)
        file.seek(size - len(tail))
        file.write(tail)
    open_image(path).close()

heads = [start.octets(), image[: len(start.octets() + manifest.octets())]]
for length in HUGE:
    refused(from_pipe, pack_header(1, 0, length))
    refused(from_pipe, heads[0] + pack_header(TYPE_MANIFEST, 0, length))
    for code in (toys.DIAL_CODE, toys.LAMPS_CODE, WIRE_TYPE, 0x80020000, 0):
        refused(from_pipe, heads[1] + pack_header(code, 0, length))
    refused(from_file, heads[0] + pack_header(TYPE_MANIFEST, 0, length), 1 << 42)
    refused(from_file, pack_header(1, 0, length), 1 << 42)
size = 1 << 42
for offset in (0, 1 << 20, size // 2, size - 48):
    refused(from_file, image, size, offset.to_bytes(8, "little") + MAGIC + END_RECORD)
for item in (b"\\x9b" + b"\\xff" * 8, b"\\x5b" + b"\\x7f" * 8, b"\\x80" * (1 << 20)):
    refused(load, BytesSource(heads[0] + pack_header(TYPE_MANIFEST, 0, len(item)) + item), ToyTarget(), registry)
report = verify_stream(BytesSource(heads[1] + pack_header(toys.BULK_CODE, 0, 1 << 50)), registry, Operation())
assert len(report.problems) == 1
print("done")
"""


def test_claims_cost_nothing(tmp_path: Path) -> None:
    """From a pipe that never ends, and from a sparse file of 4 TiB."""
    environment = {"PYTHONPATH": str(TESTS), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "image")], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")
    assert set(done.stdout.split()) <= {"StreamError", "RecordError", "UnsupportedError", "done"}
