"""What no format but its own has a place for."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx import options
from domctx.context import OpenContext, Operation
from domctx.sinks import BytesSink
from domctx_elf.plugin import domctx_formats as core_formats
from domctx_libvirt.plugin import domctx_formats as libvirt_formats
from domctx_qemu_stream.plugin import domctx_formats as qemu_formats
from helpers import qemu_streams as qs
from helpers.qemu_libvirt import image, opened

FORMATS = {each.scheme: each for each in (*qemu_formats(), *core_formats(), *libvirt_formats())}


@pytest.mark.parametrize(("goal", "left"), [("qemu", ["libvirt"]), ("elf", ["libvirt", "qemu"]), ("libvirt", [])])
def test_the_parts_of_other_formats_are_told(goal: str, left: list[str], tmp_path: Path) -> None:
    """A libvirt image has parts of libvirt's and of QEMU's: whichever the goal does not hold are named."""
    operation, format_ = Operation(()), FORMATS[goal]
    context = OpenContext(operation, format_.options, options.select((), format_.options))
    assert format_.write is not None
    format_.write(opened(tmp_path, image(qs.modern())), BytesSink(), context)
    told = [note for note in operation.notes if "besides" in note]
    assert told == [f"what a {other} file had besides (foreign_head) is left behind" for other in left]
