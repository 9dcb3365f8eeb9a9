"""The format, as the core calls it."""

from __future__ import annotations

from pathlib import Path

from domctx.sinks import BytesSink
from domctx_libvirt import plugin
from helpers import qemu_streams as qs
from helpers.qemu_libvirt import image
from helpers.qemu_writing import context_of


def test_what_is_registered() -> None:
    """One scheme, by the magics of finished and unfinished images; shared memory is told as for a stream."""
    (found,) = plugin.domctx_formats()
    assert found.scheme == "libvirt"
    assert found.magics == ((0, b"LibvirtQemudSave"), (0, b"LibvirtQemudPart"))
    assert [option.name for option in found.options] == ["ram-file", "node", "compression", "xml"]


def test_a_file_is_opened_covered_and_written(tmp_path: Path) -> None:
    """Opening gives the domain, what no check covers is said of its stream, and written it is the file again."""
    octets = image(qs.modern())
    domain = plugin.open_(str(qs.written(tmp_path, octets, "vm.save")), context_of("libvirt"))
    (found,) = plugin.domctx_formats()
    assert found.coverage is not None
    covered = {part.part: part.check for part in found.coverage(domain)}
    assert covered["contents of pages and device sections"] == ""
    sink = BytesSink()
    plugin.write(domain, sink, context_of("libvirt"))
    assert bytes(sink.octets) == octets
    domain.close()
