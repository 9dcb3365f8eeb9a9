"""What is bounded: counts that no real stream reaches are refused, and indexes that grow too long are cut down."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.errors import StreamError, UnsupportedError
from domctx.files import StreamFile
from domctx.states import MEMORY
from domctx_qemu_stream import blocks, runs, sections, vmdesc
from domctx_qemu_stream.runs import Place, Runs
from helpers import qemu_streams as qs
from helpers.qemu_corpus import memory_of, opened, problem_of
from helpers.qemu_streams import PAGE


def test_too_many_sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More sections than any machine has."""
    monkeypatch.setattr(sections, "MAX_SECTIONS", 2)
    assert "too many sections" in problem_of(qs.written(tmp_path, qs.plain()))


def test_too_many_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More parts of a section than are indexed."""
    monkeypatch.setattr(sections, "MAX_PARTS", 2)
    octets = qs.stream(qs.section(1, 5, qs.u64(2), "block"), *[qs.section(2, 5, qs.u64(2))] * 3)
    assert "comes in too many parts" in problem_of(qs.written(tmp_path, octets))


def test_a_beginning_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What sections other than RAM begin with is kept in memory: no stream has much of it."""
    monkeypatch.setattr(sections, "MAX_SETUP", 7)
    octets = qs.stream(qs.section(1, 5, qs.u64(2), "block", 0, 1), qs.section(3, 5, qs.u64(2)), qs.ending())
    assert "section 'block' begins with too much; got 0x8 octets" in problem_of(qs.written(tmp_path, octets))


def test_too_many_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More commands than are kept."""
    monkeypatch.setattr(sections, "MAX_SECTION", 100)
    octets = qs.stream(qs.configuration(), *[qs.command(2, bytes(60))] * 3)
    assert "too many commands" in problem_of(qs.written(tmp_path, octets))


def test_a_section_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device whose state no record can hold."""
    monkeypatch.setattr(sections, "MAX_SECTION", 100)
    octets = qs.stream(qs.configuration(), qs.section(4, 5, bytes(101), "timer"), qs.ending())
    assert "is too long" in problem_of(qs.written(tmp_path, octets))


def test_too_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More RAM blocks than any machine has."""
    monkeypatch.setattr(blocks, "MAX_BLOCKS", 1)
    octets = qs.stream(qs.configuration(), qs.ram({"a": PAGE, "b": PAGE}), qs.ending())
    assert "list of RAM blocks is too long" in problem_of(qs.written(tmp_path, octets))


def test_runs_that_are_overwritten_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that is full is cut down to what still counts, packed pages among it."""
    monkeypatch.setattr(runs, "LIMIT", 16)
    records, old = b"", bytes(PAGE)
    for number in range(40):
        new = bytes(octet ^ (place == number) for place, octet in enumerate(old))
        records += qs.delta(0, old, new, "pc.ram") + qs.packed(2, qs.pages(number)) + qs.fill(1, number)
        old = new
    octets = qs.stream(qs.configuration(), qs.ram({"pc.ram": 3 * PAGE}, records), qs.ending())
    domain = opened(qs.written(tmp_path, octets))
    assert memory_of(domain) == [old + b"\x27" * PAGE + qs.pages(39)]


def test_runs_that_all_count_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block in more pieces than the index holds."""
    monkeypatch.setattr(runs, "LIMIT", 16)
    found = Runs(100, lambda *_: b"", lambda _: 0, lambda *_: b"")
    for page in range(0, 32, 2):
        found.add(page, 1, 0, Place.FILL)
    with pytest.raises(UnsupportedError, match="in more than 8 runs"):
        found.add(50, 1, 0, Place.FILL)


def test_a_size_that_nothing_is_told_of(tmp_path: Path) -> None:
    """A block of terabytes of which the stream tells a page is refused before anybody walks it."""
    octets = qs.stream(qs.configuration(), qs.ram({"pc.ram": 1 << 45}, qs.data(0, qs.pages(1), "pc.ram")), qs.ending())
    domain = opened(qs.written(tmp_path, octets))
    with pytest.raises(StreamError, match="does not tell of most of its pages"):
        domain.state(MEMORY)


def silent(*capabilities: str, **sizes: int) -> bytes:
    """A stream that tells of one page, of blocks of these sizes beside it."""
    config = qs.configuration("pc", *[qs.capabilities(*capabilities)] * bool(capabilities))
    blocks_ = {"ram": PAGE, **sizes}
    listed = qs.block_list(blocks_, qs.u64(0) if capabilities else b"")
    words = listed + qs.data(0, qs.pages(1), "ram") + qs.EOF_WORD
    return qs.stream(config, qs.section(1, 2, words, "ram", 0, 4), qs.section(3, 2, qs.EOF_WORD), qs.ending())


@pytest.mark.parametrize(
    "octets", [silent(a=1 << 33, b=1 << 34), silent("x-ignore-shared", a=1 << 39, b=1 << 39, c=PAGE)]
)
def test_blocks_that_nothing_is_told_of(octets: bytes, tmp_path: Path) -> None:
    """Blocks each of which is believable are not, all together; nor is shared memory without end."""
    domain = opened(qs.written(tmp_path, octets))
    with pytest.raises(StreamError, match="does not tell of most of its pages"):
        domain.state(MEMORY)
    domain.close()


@pytest.mark.parametrize("octets", [silent(a=1 << 33, b=1 << 33), silent("x-ignore-shared", a=1 << 40)])
def test_some_silence_is_believed(octets: bytes, tmp_path: Path) -> None:
    """Memory that is not plugged in, and shared memory, are not in a stream."""
    domain = opened(qs.written(tmp_path, octets))
    assert domain.state(MEMORY) is not None
    domain.close()


def test_what_is_no_description_is_parsed_a_few_times_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beginnings of descriptions without end cost no more than a few times the octets that there are."""
    parsed: list[int] = []
    parse = vmdesc._parse

    def counted(offset: int, text: bytes) -> vmdesc.VmDescription | None:
        parsed.append(len(text))
        return parse(offset, text)

    monkeypatch.setattr(vmdesc, "_parse", counted)
    head = qs.stream(qs.configuration(), qs.ram({"a": PAGE}))
    tail = b"".join(b"\0\6" + qs.u32(7 * left - 6) + b"{" for left in range(2000, 0, -1))
    assert "no JSON object" in problem_of(qs.written(tmp_path, head + tail))
    assert sum(parsed) <= (vmdesc.TRIES + 1) * len(head + tail)


def test_short_sections_without_footers_are_read_a_few_times_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks for the end of a section does not read all that follows it."""
    read: list[int] = []
    whole = StreamFile.read

    def counted(file: StreamFile, offset: int, size: int) -> bytes:
        read.append(size)
        return whole(file, offset, size)

    monkeypatch.setattr(StreamFile, "read", counted)
    sections_ = b"".join(qs.section(4, 10 + number, b"", "zz", footer=False) for number in range(1000))
    octets = qs.stream(qs.configuration(), qs.ram({"a": PAGE}, footer=False), sections_, qs.ending())
    domain = opened(qs.written(tmp_path, octets))
    assert len(domain.sections) == 1000
    domain.close()
    assert sum(read) < 200 * len(octets)


@pytest.mark.parametrize("version", [0, 1])
def test_a_stream_without_footers_that_is_cut_behind_a_header(version: int, tmp_path: Path) -> None:
    """Nothing tells where a section ends of which there is nothing."""
    ram = qs.ram({"a": PAGE}, footer=False)
    octets = qs.stream(qs.configuration(), ram, qs.section(4, 9, b"", "zz", version=version, footer=False))
    assert "nothing tells where section 'zz' ends" in problem_of(qs.written(tmp_path, octets))


def test_the_next_header_may_stand_far_away(tmp_path: Path) -> None:
    """A section without footer ends where another begins, wherever the pieces end that are searched."""
    ram = qs.ram({"a": PAGE}, footer=False)
    for size in (*range(500, 530), *range(1000, 1040, 3), 1 << 20):
        first = qs.section(4, 5, b"\4" * size, "zz", footer=False)
        second = qs.section(4, 6, b"\4" * 9, "yy", footer=False)
        domain = opened(qs.written(tmp_path, qs.stream(qs.configuration(), ram, first, second, b"\0")))
        assert [len(section.octets) for section in domain.sections] == [size, 9]
        domain.close()


@pytest.mark.parametrize("behind", [b"", b"trailing"])
def test_a_footer_and_the_end_within_a_section(behind: bytes, tmp_path: Path) -> None:
    """A state that holds its own footer and zeros goes on to the place where a section begins, or the stream ends."""
    state = b"\x05" * 40 + b"\x7e" + qs.u32(4) + bytes(40)
    first, last = qs.section(4, 4, state, "tpm-emulator"), qs.section(4, 5, b"\5" * 9, "yy")
    octets = qs.stream(qs.configuration(), qs.ram({"a": PAGE}), first, last, b"\0", behind)
    domain = opened(qs.written(tmp_path, octets))
    assert domain.elements.problem is None
    assert [section.octets for section in domain.sections] == [state, b"\5" * 9]
    assert domain.elements.end == len(octets) - len(behind)
    domain.close()


DESCRIPTIONS = {
    "no list of devices": b'{"devices":{}}',
    "a device that is none": b'{"devices":[5]}',
    "no JSON": b"{devices}",
    "a number that is too long": b'{"devices":[' + b"1" * 5000 + b"]}",
}


@pytest.mark.parametrize("why", DESCRIPTIONS)
def test_descriptions_that_cannot_be(why: str, tmp_path: Path) -> None:
    """A description that is none is refused where the stream ends."""
    text = DESCRIPTIONS[why]
    octets = qs.stream(qs.configuration(), qs.ram({"a": PAGE}), b"\0\6" + qs.u32(len(text)) + text)
    assert "no JSON object with a list of devices" in problem_of(qs.written(tmp_path, octets))


@pytest.mark.parametrize(
    "device",
    [
        {"fields": [{"size": -1}]},
        {"fields": [{"size": 1, "array_len": "x"}]},
        {"fields": [5]},
        {"fields": [{"size": 1 << 40}]},
        {"fields": [], "subsections": [5]},
        {"fields": [], "subsections": [{"fields": []}]},
        {"fields": [], "subsections": [{"vmsd_name": "x", "fields": [{"size": "x"}]}]},
    ],
)
def test_sizes_that_a_description_does_not_tell(device: dict[str, object]) -> None:
    """Sizes that are none, or of what no section is long enough for, are not believed."""
    assert vmdesc.size_of(device) is None


def test_a_description_that_no_record_holds_is_left_out(tmp_path: Path) -> None:
    """What nests deeper than a record allows delimits its section, and is not kept with it."""
    deep: object = 1
    for _ in range(25):
        deep = {"struct": deep, "fields": []}
    device = qs.described("timer", [qs.field("all", 24, struct=deep)])
    octets = qs.stream(qs.configuration(), qs.section(4, 5, qs.TIMER, "timer"), qs.ending([device]))
    domain = opened(qs.written(tmp_path, octets))
    assert domain.elements.problem is None
    assert domain.elements.searched == set()
    (found,) = domain.sections
    assert found.octets == qs.TIMER
    assert found.description is None or vmdesc.kept(device) is not None


def test_a_wrong_description_gives_way_to_the_footer(tmp_path: Path) -> None:
    """Where the sizes do not lead to the footer the section is as long as the footer says."""
    device = qs.described("timer", [qs.field("a", 7)])
    octets = qs.stream(qs.configuration(), qs.section(4, 5, qs.TIMER, "timer"), qs.ending([device]))
    domain = opened(qs.written(tmp_path, octets))
    assert domain.elements.searched == {"timer"}
    assert domain.sections[0].octets == qs.TIMER


def test_a_description_before_trailing_octets_is_found(tmp_path: Path) -> None:
    """Zeros or a map behind the stream hide neither the description nor the sizes that it tells."""
    octets = qs.plain(footer=False) + bytes(300_000) + b"\0\6junk"
    domain = opened(qs.written(tmp_path, octets))
    assert domain.elements.problem is None
    assert domain.elements.end == len(qs.plain(footer=False))
    assert domain.elements.searched == set()
