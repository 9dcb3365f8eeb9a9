"""What a stream is made of: layers, repeats, checkpoints, and what is wrong with it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from domctx.errors import UnsupportedError
from domctx.states import CLOCK, FOREIGN_TAIL, ForeignPart
from domctx_xen import epochs
from helpers import xen_streams as xs
from helpers.xen_streams import OPTIONAL, Bits, record
from helpers.xen_verdicts import domain_of, memory_of


def problem_of(folder: Path, *parts: Bits | bytes) -> str:
    """Why a stream is not read to its end."""
    return str(domain_of(folder, *parts).walk.problem)


def test_the_last_of_each_page_counts(tmp_path: Path) -> None:
    """A live save sends pages again, also as pages that are no more."""
    again = xs.page_data((xs.entry(4), xs.page(44)), (xs.entry(1, 0xF), None))
    stream = [*xs.hvm()[:5], again, *xs.hvm()[5:]]
    notes: list[str] = []
    memory = memory_of(domain_of(tmp_path, *stream, notes=notes))
    assert memory[4 * 4096 :] == xs.page(44)
    assert not any(memory[4096:8192])
    assert "0x2 pages were sent more than once" in " ".join(notes)


def test_the_last_complete_checkpoint_counts(tmp_path: Path) -> None:
    """Of a stream that is cut behind its third checkpoint what the third told counts, and the cut is told."""
    notes: list[str] = []
    cut = xs.page_data((xs.entry(0), xs.page(666)))
    domain = domain_of(tmp_path, *xs.remus(3), cut, notes=notes)
    assert memory_of(domain)[:4096] == xs.page(102)
    clock = domain.state(CLOCK)
    assert clock is not None
    assert clock.tsc is not None
    assert clock.tsc.nsec == 2
    assert "last complete checkpoint of 3 counts" in " ".join(notes)


def test_a_checkpointed_stream_is_described_as_a_plain_one(tmp_path: Path) -> None:
    """Its records stand as those of a plain save of the same domain: END for CHECKPOINT, no repeats, no rest."""
    names = [part.name for part in _tail(tmp_path, *xs.remus(2))]
    plain = [part.name for part in _tail(tmp_path, *xs.xl(xs.hvm(), xs.emulator_context()))]
    assert names == plain
    assert [part.octets for part in _tail(tmp_path, *xs.remus(2)) if part.name == "libxc END"] == [bytes(8)]


def _tail(folder: Path, *parts: Bits) -> list[ForeignPart]:
    state = domain_of(folder, *parts).state(FOREIGN_TAIL)
    assert state is not None
    return list(state.parts)


def test_a_checkpointed_stream_may_end(tmp_path: Path) -> None:
    """Whatever stands behind the last checkpoint counts then, and END stands once for each layer."""
    end = [xs.page_data((xs.entry(0), xs.page(7))), xs.tsc(nsec=99), xs.END, xs.END]
    notes: list[str] = []
    domain = domain_of(tmp_path, *xs.remus(2), *end, notes=notes)
    assert memory_of(domain)[:4096] == xs.page(7)
    names = [part.name for part in _tail(tmp_path, *xs.remus(2), *end)]
    assert names.count("libxc END") == names.count("libxl END") == 1
    assert "2 checkpoints stand before the end" in " ".join(notes)


def test_checkpoints_without_libxl(tmp_path: Path) -> None:
    """A bare libxc stream may be checkpointed: each CHECKPOINT ends a stretch."""
    five, six = (xs.page_data((xs.entry(0), xs.page(seed))) for seed in (5, 6))
    again = [five, xs.tsc(nsec=5), record(0x0E), six]
    stream = [*xs.hvm()[:-1], record(0x0E), *again]
    domain = domain_of(tmp_path, *stream)
    assert domain.walk.checkpoints == 2
    assert memory_of(domain)[:4096] == xs.page(5)


def test_states_of_colo_are_passed_over(tmp_path: Path) -> None:
    """CHECKPOINT_STATE is talk between two machines."""
    stream = xs.remus(2)
    first = next(place for place, bits in enumerate(stream) if bits == record(4))
    talk = record(5, struct.pack("<II", 1, 0))
    domain = domain_of(tmp_path, *stream[:first], talk, *stream[first:])
    assert domain.walk.checkpoints == 2


def test_new_records_of_a_later_stretch_stand_before_the_end(tmp_path: Path) -> None:
    """A record that only the second checkpoint tells comes before END all the same."""
    stream = xs.remus(2)
    last = len(stream) - 1 - stream[::-1].index(record(0x0E))
    more = record(OPTIONAL | 7, b"new")
    names = [part.name for part in _tail(tmp_path, *stream[:last], more, *stream[last:])]
    assert names.index("libxc record 0x80000007") < names.index("libxc END") < names.index("libxl END")


def test_pages_behind_verify_are_compared(tmp_path: Path) -> None:
    """They change nothing, and are left out."""
    notes: list[str] = []
    stream = [*xs.hvm()[:5], record(0x0D), xs.page_data((xs.entry(0), xs.page(9))), *xs.hvm()[5:]]
    domain = domain_of(tmp_path, *stream, notes=notes)
    assert memory_of(domain)[:4096] == xs.page(1)
    assert "0x1 pages were sent a second time to be compared" in " ".join(notes)


PROBLEMS: dict[str, tuple[list[Bits], str]] = {
    "unknown libxc": ([xs.headers(2), record(0x99)], "record of libxc that is not known"),
    "unknown libxl": ([xs.libxl_header(), xs.LIBXC_CONTEXT, *xs.hvm(), record(0x99)], "of libxl that is not known"),
    "dirty pages": ([xs.headers(2), record(0x0F, bytes(8))], "goes back to the saver"),
    "PV in HVM": ([xs.headers(2), xs.pv_info()], "an HVM guest holds a record X86_PV_INFO"),
    "HVM in PV": ([xs.headers(1), xs.hvm_params()], "a paravirtualised guest holds a record HVM_PARAMS"),
    "END with a body": ([xs.headers(2), record(0, bytes(8))], "END is too long"),
    "huge": ([xs.headers(2), record(0x11, length=1 << 31)], "X86_CPUID_POLICY is too long"),
    "second info": ([xs.headers(1), xs.pv_info(), xs.pv_info()], "a second record X86_PV_INFO"),
    "second static end": ([xs.headers(2), xs.STATIC_END, xs.STATIC_END], "a second record STATIC_DATA_END"),
    "second context": ([xs.libxl_header(), *[xs.LIBXC_CONTEXT, *xs.hvm()] * 2], "a second libxc stream"),
    "cut": ([xs.headers(2), *xs.policies()], "the stream ends early, in the header of a record"),
    "cut body": ([xs.headers(2), record(0x11, b"abcd", length=99)], "the stream ends early, in a record X86_CPUID"),
    "short vCPU": ([xs.headers(1), record(4, b"abcd"), xs.END], "X86_PV_VCPU_BASIC is too short"),
    "short emulator": (xs.libxl(xs.hvm(), record(3, b"abc")), "EMULATOR_CONTEXT is too short"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_problems_are_kept(name: str, tmp_path: Path) -> None:
    """``info`` still works; the problem names an offset, and whoever asks for a state is told."""
    stream, message = PROBLEMS[name]
    domain = domain_of(tmp_path, *stream)
    assert message in str(domain.walk.problem)
    assert domain.walk.problem is not None
    assert domain.walk.problem.offset is not None
    assert domain.machine.hypervisor == "xen"
    assert domain.owned_states()[-1] is FOREIGN_TAIL
    with pytest.raises(type(domain.walk.problem), match=str(tmp_path)):
        domain.state(FOREIGN_TAIL)


def test_a_libxl_stream_without_libxc_is_refused(tmp_path: Path) -> None:
    """There is no domain in it; nor where a checkpoint ends that never began."""
    for last, message in ((xs.END, "holds no libxc stream"), (record(4), "before any checkpoint")):
        with pytest.raises(Exception, match=message):
            domain_of(tmp_path, xs.libxl_header(), last)


def test_what_is_wrong_with_pages_before_is_told_first(tmp_path: Path) -> None:
    """Pages are looked at together; the first thing wrong is told all the same."""
    wrong = xs.page_data((xs.entry(1, 5), None))
    problem = problem_of(tmp_path, xs.headers(2), xs.STATIC_END, wrong, record(0x99))
    assert "a page of a type that is reserved" in problem


def test_records_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of nothing but small records does not fill the memory."""
    monkeypatch.setattr(epochs, "MAX_RECORDS", 3)
    domain = domain_of(tmp_path, xs.headers(2), *[record(OPTIONAL | 1)] * 4, xs.END)
    assert isinstance(domain.walk.problem, UnsupportedError)
    assert "too many records" in str(domain.walk.problem)
