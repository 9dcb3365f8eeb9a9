"""An opened file as a domain."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import attrs
import pytest

import domctx_lgr
from domctx.api import Placement, RamBlock
from domctx.errors import DomctxError, StreamError
from domctx.states import (
    CLOCK,
    FOREIGN_HEAD,
    FOREIGN_TAIL,
    GDT,
    MEMORY,
    PAGE_TABLES,
    SHARED_INFO,
    VCPUS,
    ForeignPart,
    GdtContext,
    SharedInfoContext,
    VcpuContext,
)
from domctx_lgr import LgrDomain, open_domain
from domctx_lgr.domain import FRAME_LIST_REST, GDT_REST, NAME_REST
from helpers.lgr_domains import Context, opened
from helpers.lgr_files import GDT_ENTS_AT, GDT_FRAMES_AT, a0, a3, b, c1, c2, make_guest, patch


def test_the_machine_is_described(tmp_path: Path) -> None:
    """A suspended i386 guest of Xen of 2004 with one vCPU, two-level page tables and one block of memory."""
    domain = opened(tmp_path, a3(make_guest(9, name=b"web\xe9")))
    machine = domain.machine
    assert machine.name == "webé"
    assert (machine.hypervisor, machine.architecture, machine.run_state) == ("xen-2004", "i386", "suspended")
    assert (machine.vcpus, machine.pv_width, machine.pv_levels) == ((0,), 4, 2)
    assert machine.blocks == (RamBlock("ram", 9 * 4096, placements=(Placement(0, 0, 9 * 4096),)),)
    assert not domain.one_pass
    domain.pause()
    domain.unpause()
    domain.close()


def test_states_hold_what_the_file_holds(tmp_path: Path) -> None:
    """The context without its GDT, the GDT, the shared-info page, page types and frame list."""
    guest = make_guest(1030, gdt_entries=1000)
    domain = opened(tmp_path, a3(guest))
    vcpus, gdt = domain.state(VCPUS), domain.state(GDT)
    shared, tables = domain.state(SHARED_INFO), domain.state(PAGE_TABLES)
    assert vcpus is not None
    assert gdt is not None
    assert shared is not None
    assert tables is not None
    without = patch(guest.context, GDT_FRAMES_AT, *[0] * 16)
    without = patch(without, GDT_ENTS_AT, 0)
    assert vcpus.contexts == {0: VcpuContext("xen-2004-i386", without)}
    frames = struct.unpack_from("<2I", guest.context, GDT_FRAMES_AT)
    assert gdt.contexts == {0: GdtContext(frames, 1000)}
    assert shared.context == SharedInfoContext("xen-2004-i386", guest.shared_info)
    context = tables.context
    assert context is not None
    assert (context.width, context.levels, context.frame_list) == (4, 2, (1, 1))
    assert (context.special, context.suspension) == ((), None)
    assert domain.owned_states() == (PAGE_TABLES, MEMORY, VCPUS, GDT, SHARED_INFO)
    assert domain.state(CLOCK) is None
    domain.close()


def test_a_gdt_of_the_hypervisor_has_no_frames(tmp_path: Path) -> None:
    """Without entries of its own a guest runs on Xen's GDT."""
    domain = opened(tmp_path, a3(make_guest(8, gdt_entries=0)))
    gdt = domain.state(GDT)
    assert gdt is not None
    assert gdt.contexts == {0: GdtContext((), 0)}
    domain.close()


def test_the_oldest_variant_has_no_shared_info(tmp_path: Path) -> None:
    """A0 was written before the page was."""
    domain = opened(tmp_path, a0(make_guest(8)))
    assert domain.state(SHARED_INFO) is None
    assert SHARED_INFO not in domain.owned_states()
    domain.close()


def test_what_no_state_holds_is_kept(tmp_path: Path) -> None:
    """Octets behind the name, behind the used frame list and in unused GDT frames come as foreign parts."""
    guest = make_guest(8, name=b"a\0b" + bytes(13))
    guest = attrs.evolve(
        guest,
        frame_page=guest.frame_page[:4] + b"rest".ljust(4092, b"\0"),
        context=patch(guest.context, GDT_FRAMES_AT + 60, 0x12345),
    )
    domain = opened(tmp_path, a3(guest))
    head = domain.state(FOREIGN_HEAD)
    assert head is not None
    assert list(head.parts) == [
        ForeignPart("lgr", NAME_REST, b"b".ljust(14, b"\0")),
        ForeignPart("lgr", FRAME_LIST_REST, b"rest".ljust(4092, b"\0")),
        ForeignPart("lgr", GDT_REST, bytes(56) + (0x12345).to_bytes(4, "little")),
    ]
    assert domain.machine.name == "a"
    assert domain.owned_states()[0] is FOREIGN_HEAD
    assert FOREIGN_TAIL not in domain.owned_states()
    domain.close()


def test_a_live_save_that_is_compressed_is_walked_when_it_is_needed(tmp_path: Path) -> None:
    """Opening a compressed file with batches reads its beginning only; what is wrong behind comes out later."""
    octets = c2(make_guest(8))
    context = Context()
    domain = opened(tmp_path, gzip.compress(octets), context)
    assert domain.machine.name == "guest"
    assert "content" not in vars(domain)
    assert domain.state(MEMORY) is not None
    assert domain.content is domain.content
    domain.close()
    cut = opened(tmp_path, gzip.compress(octets[:-1]))
    for _ in range(2):
        with pytest.raises(StreamError, match=r"file\.lgr \(inflated\) at .*the file ends early"):
            cut.owned_states()
    cut.close()


def test_compressed_batches_are_told_apart_at_once(tmp_path: Path) -> None:
    """B and the live variants are told apart without walking them."""
    for make in (b, c1):
        domain = opened(tmp_path, gzip.compress(make(make_guest(8))))
        assert isinstance(domain, LgrDomain)
        domain.close()


def test_a_file_that_is_refused_is_closed(tmp_path: Path) -> None:
    """No descriptor is left behind by a file that cannot be opened."""
    before = set(Path("/proc/self/fd").iterdir())
    (tmp_path / "bad").write_bytes(b"LinuxGuestRecord")
    with pytest.raises(DomctxError):
        open_domain(str(tmp_path / "bad"), Context())
    assert len(set(Path("/proc/self/fd").iterdir())) == len(before)


def test_the_package_gives_its_names_when_asked() -> None:
    """Public names are imported on first use; any other name is an AttributeError."""
    assert domctx_lgr.check_rules is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        domctx_lgr.nothing  # noqa: B018 (the access is the test)
