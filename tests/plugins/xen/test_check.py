"""What ``verify`` asks of a stream beyond its form."""

from __future__ import annotations

from pathlib import Path

from helpers.xen_streams import hvm, made
from helpers.xen_verdicts import verdict

ET = bytes(656) + b"\x10"
"""What the CPU entry of a stream begins with, up to CR0."""


def test_an_hvm_context_that_xen_refuses_falls_short(tmp_path: Path) -> None:
    """A vCPU without ET in its CR0 is told with the place of its entry in the file."""
    stream = made(*hvm())
    place = stream.octets.index(ET)
    path = tmp_path / "stream.xen"
    path.write_bytes(stream.octets.replace(ET, bytes(657)))
    problem = verdict(path).problem
    assert problem is not None
    assert f"at 0x{place:016x} in HVM_CONTEXT: CPU[0] of the HVM context: cr0 is none" in problem
