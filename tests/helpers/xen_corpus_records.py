"""Bodies of records of the corpus's Xen streams, found by the offsets that an independent walk recorded beside them."""

from __future__ import annotations

import json
import struct
import sys
from functools import cache
from pathlib import Path

from helpers.xen_corpus import STREAMS, WINDOW_LOG

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HVM_NAMES = ("xen4.17-hvm-seabios-16MiB", "xen4.17-pvh-linux-40MiB")
"""The saved HVM domains beside which Xen's own tools printed what they were."""
PV_NAMES = ("xen4.17-pv-linux-40MiB", "xen4.17-pv-mini-4MiB")
"""The same of paravirtualised ones."""


@cache
def _records(folder: Path, file: str) -> tuple[tuple[str, bytes], ...]:
    """(type, body) of the records of a stream that hold no pages, in their order."""
    options = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG}
    stream = zstd.decompress((folder / f"{file}.zst").read_bytes(), options=options)
    found = []
    for each in json.loads((folder / "check.json").read_text())["records"]:
        if each["type"] != "PAGE_DATA":
            _, length = struct.unpack_from("<II", stream, each["offset"])
            assert length == each["length"]
            found.append((each["type"], stream[each["offset"] + 8 : each["offset"] + 8 + length]))
    return tuple(found)


def records(corpus: Path, name: str, kind: str) -> list[bytes]:
    """The bodies of all records of a type, in their order."""
    return [body for found, body in _records(corpus / "xen" / name, STREAMS[name]) if found == kind]


def record(corpus: Path, name: str, kind: str) -> bytes:
    """The body of the only record of a type."""
    (body,) = records(corpus, name, kind)
    return body


def text(corpus: Path, name: str, file: str) -> str:
    """What was recorded beside a stream."""
    return (corpus / "xen" / name / file).read_text()
