"""Bodies of records of the corpus's Xen streams, found by the offsets that were recorded beside them."""

from __future__ import annotations

import json
import struct
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "xen"
"""Where the corpus stands: beside the checkout."""

WINDOW_LOG = 27
"""The files were packed with long windows."""


def truth(name: str, file: str) -> str:
    """A text that was recorded beside a stream; the test is skipped where the corpus is absent."""
    path = CORPUS / name / file
    if not path.exists():
        pytest.skip("the corpus of real saved states is not beside the checkout")
    return path.read_text()


@cache
def records(name: str) -> tuple[tuple[str, bytes], ...]:
    """(type, body) of the records of a saved domain that hold no pages, in their order."""
    check: dict[str, Any] = json.loads(truth(name, "check.json"))
    options = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG}
    stream = zstd.decompress((CORPUS / name / f"{check['file']}.zst").read_bytes(), options=options)
    found = []
    for each in check["records"]:
        if each["type"] != "PAGE_DATA":
            place = each["offset"]
            _, length = struct.unpack_from("<II", stream, place)
            assert length == each["length"]
            found.append((each["type"], stream[place + 8 : place + 8 + length]))
    return tuple(found)


def record(name: str, kind: str) -> bytes:
    """The body of the only record of a type."""
    (body,) = (body for found, body in records(name) if found == kind)
    return body
