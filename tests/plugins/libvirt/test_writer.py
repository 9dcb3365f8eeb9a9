"""libvirt save images, written."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from domctx.api import Domain
from domctx.errors import DomainError, DomctxError, UsageError
from domctx.sinks import BytesSink
from domctx.states import FOREIGN_HEAD, ForeignPart
from domctx_foreign import StoredForeign
from domctx_libvirt.layout import METHODS
from domctx_libvirt.pack import PACKERS
from domctx_libvirt.writer import write
from helpers import qemu_streams as qs
from helpers.qemu_corpus import opened as opened_stream
from helpers.qemu_libvirt import COOKIE, XML, image, opened
from helpers.qemu_writing import Held, context_of, head_with

NEW_XML = b"<domain type='kvm'><name>new</name></domain>\n"


def written(domain: Domain, *given: str) -> tuple[bytes, list[str]]:
    """The image of a domain, and what was noted."""
    sink, context = BytesSink(), context_of("libvirt", *given)
    write(domain, sink, context)
    return bytes(sink.octets), context._operation.notes


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_raw_image_comes_back_as_it_was(order: str, version: int, tmp_path: Path) -> None:
    """Header, XML, cookie, padding and stream, in the byte order and version of the host that wrote them."""
    octets = image(qs.modern() + b"behind", version=version, order=order).replace(bytes(4) + b"QEVM", b"odd\0QEVM")
    assert written(opened(tmp_path, octets)) == (octets, [])


@pytest.mark.parametrize("method", PACKERS)
def test_a_chosen_packing_is_written_and_kept(method: str, tmp_path: Path) -> None:
    """The image is packed as chosen, and again so where nothing is chosen; the stream in it is the same."""
    first, notes = written(opened(tmp_path, image(qs.modern())), f"compression={method}")
    assert bool(notes) is (method == "lzop")
    assert first[28:32] == struct.pack("<I", METHODS.index(method))
    domain = opened(tmp_path, first)
    assert domain.file.read(0, 1 << 20) == qs.modern()
    assert written(domain)[0] == first
    assert written(domain, "compression=raw")[0] == image(qs.modern())


def test_an_image_of_version_1_that_is_packed_becomes_one_of_version_2(tmp_path: Path) -> None:
    """Only version 2 can say that its stream is packed."""
    octets, _ = written(opened(tmp_path, image(qs.modern(), 77, version=1)), "compression=gzip")
    assert struct.unpack_from("<I", octets, 16) == (2,)
    assert opened(tmp_path, octets).file.read(0, 1 << 20) == qs.modern()


def test_xml_can_be_given(tmp_path: Path) -> None:
    """A stream that has no XML gets the one that is given; an image's own is replaced, and its cookie kept."""
    xml = qs.written(tmp_path, NEW_XML, "new.xml")
    stream = opened_stream(qs.written(tmp_path, qs.modern()))
    found = opened(tmp_path, written(stream, f"xml={xml}")[0])
    assert (found.machine.name, found.machine.run_state) == ("new", "running")
    assert (found.image.xml, found.image.cookie) == (NEW_XML, b"")
    assert found.file.read(found.file.start, 1 << 20) == qs.modern()
    old = opened(tmp_path, image(qs.modern()))
    again = opened(tmp_path, written(old, f"xml={xml}")[0])
    assert (again.image.xml, again.image.cookie) == (NEW_XML, COOKIE)
    assert len(again.image.data) == len(old.image.data)
    longer = qs.written(tmp_path, NEW_XML + b" " * 5000, "longer.xml")
    assert opened(tmp_path, written(old, f"xml={longer}")[0]).image.cookie == COOKIE


def test_a_domain_without_xml_is_refused(tmp_path: Path) -> None:
    """The refusal says how XML is given."""
    with pytest.raises(DomainError, match="no libvirt XML") as caught:
        written(opened_stream(qs.written(tmp_path, qs.modern())))
    assert "-O xml=FILE" in str(caught.value)


@pytest.mark.parametrize("octets", [b"", b"<network/>", b"<domain>\0</domain>"])
def test_what_is_no_domain_xml_is_refused(octets: bytes, tmp_path: Path) -> None:
    """An empty file, other XML, and octets that no XML has."""
    xml = qs.written(tmp_path, octets, "bad.xml")
    with pytest.raises(UsageError, match="no XML of a libvirt domain"):
        written(opened_stream(qs.written(tmp_path, qs.modern())), f"xml={xml}")


def test_a_sparse_image_becomes_a_plain_one(tmp_path: Path) -> None:
    """The file of mapped-ram within an image comes back as a stream, and that is told."""
    octets, notes = written(opened(tmp_path, image(qs.modern(), METHODS.index("sparse"))))
    assert octets == image(qs.modern())
    assert "sparse" in notes[0]


HEADER = image(b"")[:92]
BAD: dict[str, dict[str, bytes | None]] = {
    "has a wrong length": {"header": HEADER + b"x"},
    "has an unknown version": {"header": HEADER[:16] + bytes(4) + HEADER[20:]},
    "do not fit into it": {"header": HEADER[:20] + struct.pack("<I", len(XML)) + HEADER[24:]},
    "do not fit into it; got": {"header": HEADER[:20] + struct.pack("<I", 0x7FFF_FFFF) + HEADER[24:]},
    "never was QEMU's": {"sections": None},
}


@pytest.mark.parametrize("why", BAD)
def test_heads_that_cannot_be_are_refused(why: str, tmp_path: Path) -> None:
    """An image of ours may say anything of the libvirt image that it was: what does not fit is refused."""
    domain = opened(tmp_path, image(qs.modern()))
    with pytest.raises(DomctxError, match=why):
        written(Held.of(domain, {FOREIGN_HEAD: head_with(domain, **BAD[why])}))


def test_who_never_was_qemus_is_not_asked_for_xml(tmp_path: Path) -> None:
    """With it the machine could not be written either."""
    domain = opened_stream(qs.written(tmp_path, qs.modern()))
    with pytest.raises(DomainError, match="never was QEMU's"):
        written(Held.of(domain, {FOREIGN_HEAD: StoredForeign([ForeignPart("elf", "notes", b"")])}))
    domain.close()
