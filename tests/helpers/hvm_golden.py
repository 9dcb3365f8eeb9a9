"""The golden files of HVM entries: bodies and fields that were computed by hand from formats/xen.md 3.2 and 3.3.

A file lists the octets of a body that are not zero, each as [offset, octets, what they are], and the fields that
they shall be shown as.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

FOLDER = Path(__file__).resolve().parents[1] / "plugins" / "hvm" / "golden"
STEMS = sorted(path.stem for path in FOLDER.glob("*.json"))


@attrs.frozen
class Golden:
    """One file: an entry, and what it shall be shown as; ``fields`` is None for an entry without any."""

    type: str
    typecode: int
    instance: int
    body: bytes
    fields: dict[str, Any] | None


def golden(stem: str) -> Golden:
    """The file of a name, which is that of the type and, of a shorter form, its length: ``cpu-1016``."""
    said = json.loads((FOLDER / f"{stem}.json").read_text())
    body = bytearray(said["length"])
    for offset, octets, _ in said["octets"]:
        span = bytes.fromhex(octets)
        assert not any(body[offset : offset + len(span)])
        body[offset : offset + len(span)] = span
    assert len(body) == said["length"]
    return Golden(said["type"], said["typecode"], said["instance"], bytes(body), said["fields"])
