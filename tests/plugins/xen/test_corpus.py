"""The corpus of real Xen streams, and the truth that was recorded of each domain."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from domctx.context import OpenContext, Operation
from domctx.states import CLOCK, MEMORY, PAGE_TABLES
from domctx_xen.domain import XenDomain, open_domain
from helpers.xen_corpus import PAGE, STREAMS, XEN_TOOLS, XenCorpus, run, verify_stream_v2
from helpers.xen_verdicts import verdict

pytestmark = pytest.mark.corpus

PLAIN = [name for name in STREAMS if "live" not in name and "remus" not in name]
"""Streams in which no page comes twice."""
UNSAVED = {"xen4.17-pvh-linux-40MiB": {0x10, 0x1DA1}}
"""Pages that the saver did not list, and that Xen's tools could map all the same (check.json: only_in_core)."""


@pytest.fixture(scope="module")
def streams(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> XenCorpus:
    """The streams, unpacked when they are asked for."""
    return XenCorpus(corpus / "xen", tmp_path_factory.mktemp("xen"))


def opened(path: Path) -> XenDomain:
    """A stream as a domain."""
    return open_domain(str(path), OpenContext(Operation(), (), {}))


@pytest.mark.parametrize("name", STREAMS)
def test_memory_is_what_xens_tools_saw(name: str, streams: XenCorpus, tmp_path: Path) -> None:
    """Every page stands at PFN x 4096 as it was dumped, but for page tables, in which PFNs stand for MFNs."""
    run("extract", streams.path(name), "memory", "-o", tmp_path / "ram.raw")
    wrong, known = [], 0
    with (tmp_path / "ram.raw").open("rb") as file:
        for pfn, page in streams.memory(name):
            known += 1
            file.seek(pfn * PAGE)
            if file.read(PAGE) != page:
                wrong.append(pfn)
    truth = streams.check(name)
    assert known == truth.get("core", {}).get("pages", 0)
    tables = opened(streams.path(name)).state(PAGE_TABLES)
    if tables is not None and tables.context is not None:
        assert all(tables.context.types[pfn] for pfn in wrong)
        assert len(wrong) == truth.get("core", {}).get("different", 0)
    else:
        assert set(wrong) == UNSAVED.get(name, set())


def xorshift_page(marker: int) -> bytes:
    """A page that the guest marked (corpus README)."""
    found, x = b"XENLAB MARKER PAGE %05d of 00064" % marker, 0x9E3779B97F4A7C15 * (marker + 1) & (1 << 64) - 1
    found = found.ljust(64, b"\0")
    for _ in range(504 if marker % 2 else 16):
        x ^= x << 13 & (1 << 64) - 1
        x ^= x >> 7
        x ^= x << 17 & (1 << 64) - 1
        found += x.to_bytes(8, "little")
    return found


@pytest.mark.parametrize("name", [name for name in STREAMS if "linux" in name or "live" in name or "remus" in name])
def test_pages_that_the_guest_marked_are_where_it_said(name: str, streams: XenCorpus) -> None:
    """Of live and checkpointed streams too, the marked pages hold what the guest wrote."""
    memory = opened(streams.path(name)).state(MEMORY)
    assert memory is not None
    for marker, pfn in enumerate(streams.check(name)["markers"]["pfns"]):
        page = memory.read(0, pfn, 1).pages.tobytes()
        expected = xorshift_page(marker)
        assert page[: len(expected)] == expected


@pytest.mark.parametrize("name", STREAMS)
def test_page_types_and_ends_are_as_an_independent_walk_found(name: str, streams: XenCorpus) -> None:
    """Counts of page types, the last PFN, checkpoints, repeats, and where what counts ends."""
    truth, domain = streams.check(name), opened(streams.path(name))
    counts: Counter[str] = Counter()
    for kind, count in zip(domain.runs.types.tolist(), domain.runs.counts.tolist(), strict=True):
        counts[hex(kind)] += count
    if not truth["truncated_at"]:
        live = "live" in name  # of a page that was sent twice the truth counts both types
        assert {kind: counts[kind] for kind in counts} == truth["page_types"] or live
        assert domain.walk.pages.told - sum(counts.values()) == domain.walk.pages.runs.repeated
        assert domain.walk.file.size - domain.walk.end == truth["trailing"]
    assert domain.pages == truth["max_pfn"] + 1
    assert domain.populated == (None if "-pv-" in name else truth["pages"] * 4096)
    assert domain.walk.checkpoints == truth["checkpoints"]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_becomes_an_image_and_the_same_stream_again(name: str, streams: XenCorpus, tmp_path: Path) -> None:
    """The stream that is written of the image is the same octet for octet, or differs in repeats alone."""
    source, image, goal = streams.path(name), tmp_path / "a.dctx", tmp_path / "y.xl"
    run("convert", source, image)
    run("verify", image)
    run("convert", image, f"xen:{goal}")
    assert run("diff", source, goal) == "" or name not in PLAIN
    if name in PLAIN:
        assert source.read_bytes() == goal.read_bytes()
    if XEN_TOOLS.exists():
        verdict = verify_stream_v2(goal, "xl")
        assert verdict.returncode == 0, verdict.stderr


@pytest.mark.parametrize("name", STREAMS)
def test_machine_is_what_xl_lists(name: str, streams: XenCorpus) -> None:
    """Name, UUID and vCPUs are those of xl list -l."""
    listed = json.loads(streams.text(name, "xl-list-l.json"))
    config: dict[str, Any] = next(
        each["config"] for each in listed if each["config"]["c_info"]["name"] == opened(streams.path(name)).machine.name
    )
    machine = opened(streams.path(name)).machine
    assert machine.uuid == config["c_info"]["uuid"]
    assert list(machine.vcpus) == config["b_info"]["avail_vcpus"]
    assert machine.pv_levels == (4 if config["c_info"]["type"] == "pv" else None)


def test_the_clock_is_the_one_that_the_verifier_prints(streams: XenCorpus) -> None:
    """Mode, frequency, time and incarnation."""
    clock = opened(streams.path("xen4.17-pv-mini-4MiB")).state(CLOCK)
    assert clock is not None
    assert clock.tsc is not None
    told = f"Mode {clock.tsc.mode}, {clock.tsc.khz} kHz, {clock.tsc.nsec} ns, incarnation {clock.tsc.incarnation}"
    assert told in streams.text("xen4.17-pv-mini-4MiB", "verify-stream-v2.txt")


@pytest.mark.parametrize("name", [name for name in STREAMS if "pv-" in name])
def test_a_simulated_machine_takes_every_paravirtualised_guest(name: str, streams: XenCorpus, tmp_path: Path) -> None:
    """Localised into other frames and accepted; what comes back differs in what names frames of a machine alone."""
    run("convert", streams.path(name), f"sim:{tmp_path / 'machine'}")
    run("convert", f"sim:{tmp_path / 'machine'}", f"xen:{tmp_path / 'back.xl'}")
    told = json.loads(run("diff", streams.path(name), tmp_path / "back.xl", "--json", code=1).splitlines()[0])
    counted = [each for each in told["differences"] if each["counted"]]
    assert {each["record"] for each in counted} == {"MEMORY"}
    pages = sum(each["a"]["kinds"]["data"] for each in counted)
    tables = opened(streams.path(name)).state(PAGE_TABLES)
    assert tables is not None
    assert tables.context is not None
    assert pages <= len(tables.context.frame_list) + 3  # the P2M, the list of its frames, start_info, shared words


def test_real_streams_that_are_cut_fall_short(streams: XenCorpus, tmp_path: Path) -> None:
    """At the beginning of every record, and within it."""
    name = "xen4.17-pv-mini-4MiB"
    octets, path = streams.path(name).read_bytes(), tmp_path / "cut.xl"
    for record in streams.check(name)["records"]:
        for stop in (record["offset"], record["offset"] + 4, record["offset"] + 8 + record["length"] // 2):
            if stop < len(octets):
                path.write_bytes(octets[:stop])
                assert verdict(path).problem is not None, hex(stop)


def test_real_streams_that_are_flipped_fall_short_or_are_not_covered(streams: XenCorpus, tmp_path: Path) -> None:
    """Every octet of every record's header but those of pages; what they break is found or lies where none looks."""
    name = "xen4.17-hvm-seabios-16MiB"
    octets, path = bytearray(streams.path(name).read_bytes()), tmp_path / "flipped.xl"
    found = []
    for number, record in enumerate(streams.check(name)["records"]):
        if record["type"] == "PAGE_DATA":
            continue
        for place in range(record["offset"], record["offset"] + 8, 3):
            flip = 1 << (number + place) % 8
            octets[place] ^= flip
            path.write_bytes(octets)
            octets[place] ^= flip
            found.append(verdict(path))
    assert all(each.problem is not None or each.uncovered for each in found)
    assert sum(each.problem is None for each in found) < len(found) // 4
