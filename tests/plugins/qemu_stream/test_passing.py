"""Streams that pass once, held against the reader of files."""

from __future__ import annotations

import contextlib
import gc
import random
import weakref
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomctxError, StreamError, UnsupportedError
from domctx.files import CutError
from domctx.states import MEMORY
from domctx_qemu_stream.domain import QemuDomain
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.kept import MAX_REST, KeptStream
from domctx_qemu_stream.passing import PassingStream
from helpers import qemu_streams as qs
from helpers.qemu_arriving import Passed, arriving, passed, put
from helpers.qemu_corpus import Corpus, opened
from helpers.qemu_streams import (
    DESCRIBED,
    EOF_WORD,
    FLUSH,
    GLOBAL,
    MEM_SIZE,
    PAGE,
    TIMER,
    block_list,
    capabilities,
    command,
    configuration,
    data,
    delta,
    ending,
    fill,
    packed,
    pages,
    plain,
    ram,
    section,
    stream,
    text,
    u32,
    u64,
    written,
)

PLAIN = {"pc.ram": 4 * PAGE, "pc.rom": 2 * PAGE}


def of_file(path: Path) -> tuple[QemuDomain, list[bytes]]:
    """A file as a domain, and the pages of its blocks."""
    domain = opened(path)
    found = [bytearray(b"?" * block.size) for block in domain.blocks]
    memory = domain.state(MEMORY)
    assert memory is not None
    for batch in memory.batches(64):
        put(found[batch.block], batch, 64)
    return domain, [bytes(each) for each in found]


def agrees(got: Passed, path: Path, folder: Path) -> None:
    """What passed has the pages, parts and sections that the reader of files finds."""
    domain, expected = of_file(path)
    assert got.blocks == [(block.name, block.size) for block in domain.blocks]
    assert got.pages == expected
    kept = opened(written(folder, got.kept, "kept.mig"))
    assert kept.elements.problem is None
    assert list(kept.head_parts()) == list(domain.head_parts())
    assert kept.sections == domain.sections
    assert kept.machine == domain.machine
    domain.close()
    kept.close()


@pytest.mark.parametrize("footer", [True, False])
@pytest.mark.parametrize("config", [True, False])
def test_a_stream_passes(footer: bool, config: bool, tmp_path: Path) -> None:
    """With and without footers and configuration: nothing is lost but where its pages stood."""
    octets = plain(footer=footer, config=config)
    agrees(passed(octets), written(tmp_path, octets), tmp_path)


@pytest.mark.corpus
@pytest.mark.parametrize(
    "name",
    [
        "pc-16m.mig",
        "q35-32m-devices.mig",
        "q10-pc-16m-exec.mig",
        "pc-1.4-16m-smp2.mig",
        "pc-2.2-16m.mig",
        "pc-16m-live-multiround.mig",
    ],
)
def test_real_streams_pass(name: str, corpus: Path, tmp_path: Path) -> None:
    """As the reader of files has them."""
    path = Corpus(corpus / "qemu", tmp_path).path(name)
    agrees(passed(path.read_bytes(), (1 << 20, 77_777)), path, tmp_path)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Streams of some thousand pages in runs and alone, rounds in which pages come again, other sections between."""
    chance = random.Random(draw(st.integers(0, 1 << 32)))
    blocks = {"pc.ram": draw(st.integers(1, 3000)) * PAGE, "b": draw(st.integers(1, 40)) * PAGE}
    parts = [data(0, pages(1), "b")]
    last = "b"
    for _ in range(draw(st.integers(0, 4))):
        records = b""
        for _ in range(draw(st.integers(0, 12))):
            name = chance.choice(list(blocks))
            total = blocks[name] // PAGE
            first = chance.randrange(total)
            count = min(chance.choice((1, 2, 700)), total - first)
            kind = chance.choice(("data", "zero", "fill"))
            for page in range(first, first + count):
                block = None if last == name else name
                last = name
                if kind == "data":
                    records += data(page, chance.randbytes(PAGE), block)
                else:
                    records += fill(page, 0 if kind == "zero" else 7, block)
        parts.append(records)
    other = section(1, 7, b"beginning", "dirty") + section(2, 7, b"") + section(3, 7, b"end")
    return stream(
        configuration(),
        command(1),
        ram(blocks, *parts),
        other,
        section(4, 0, TIMER, "timer"),
        section(4, 9, GLOBAL, "globalstate"),
        ending(DESCRIBED),
    )


@given(streams(), st.lists(st.integers(1, 200_000), max_size=4), st.sampled_from([1, 64, 1024]))
@settings(max_examples=25)
def test_however_it_arrives(
    tmp_path_factory: pytest.TempPathFactory, octets: bytes, cuts: list[int], size: int
) -> None:
    """The pieces in which it comes and the batches that are asked for never show."""
    folder = tmp_path_factory.mktemp("stream")
    agrees(passed(octets, [max(cut, 512) for cut in cuts], size), written(folder, octets), folder)


def test_what_tells_how_it_was_saved_is_left_out(tmp_path: Path) -> None:
    """Memory that is left out, and where its regions stand: what is kept is the stream of QEMU without them."""
    blocks = {"pc.ram": 4 * PAGE, "pc.rom": 2 * PAGE}
    tail = (section(4, 0, TIMER, "timer"), section(4, 9, GLOBAL, "globalstate"), ending(DESCRIBED))
    part = data(0, pages(3), "pc.rom") + fill(1) + EOF_WORD
    octets = stream(
        configuration("pc-i440fx-7.2", capabilities("x-ignore-shared")),
        section(1, 2, block_list(blocks, u64(0xC0000)) + EOF_WORD, "ram", 0, 4),
        section(2, 2, part),
        section(3, 2, EOF_WORD),
        *tail,
    )
    got = passed(octets)
    assert got.told == [False, True]
    assert got.kept == stream(configuration(), ram(blocks), *tail)


def test_another_section_may_begin_first(tmp_path: Path) -> None:
    """Before RAM, or whole while it goes on: both are kept where they stood."""
    first = section(1, 5, b"abc", "vfio") + section(4, 6, b"early", "virtio-mem-early")
    last = section(3, 5, b"xyz") + section(4, 0, TIMER, "timer") + ending()
    octets = stream(configuration(), first, ram(PLAIN, data(0, pages(1), "pc.ram")), last)
    assert passed(octets).kept == stream(configuration(), first, ram(PLAIN), last)


def test_what_follows_may_be_foretold(tmp_path: Path) -> None:
    """A stream is described before its pages pass, with devices that are known from elsewhere."""
    rest = section(4, 0, TIMER, "timer") + b"\0"
    for footer in (True, False):
        kept = KeptStream("pipe")
        with arriving(plain(footer=footer)) as file:
            reader = PassingStream(file, kept)
            reader.begin()
            domain = QemuDomain(reader.foretold(rest if footer else b"\0"), lambda message: None)
            assert [section.name for section in domain.sections] == (["timer"] if footer else [])
            assert [block.name for block in domain.blocks] == list(PLAIN)
            domain.close()
        kept.close()


START = section(1, 2, block_list(PLAIN) + EOF_WORD, "ram", 0, 4)
TWICE = block_list(PLAIN) + block_list(PLAIN) + EOF_WORD


@pytest.mark.parametrize(
    ("octets", "error", "message"),
    [
        (b"QEVM", CutError, "the stream ends early, in its header"),
        (stream(configuration(), START), CutError, "the stream ends early, in an element"),
        (plain()[:3000], CutError, "the stream ends early, in its RAM"),
        (stream(section(1, 2, EOF_WORD, "ram", 0, 4)), StreamError, "does not begin with its blocks"),
        (stream(section(1, 2, data(0, pages(1), "a"), "ram", 0, 4)), StreamError, "not listed"),
        (stream(section(1, 2, block_list(PLAIN) + data(0, pages(1), "pc.ram") + EOF_WORD, "ram", 0, 4)), StreamError,
         "pages stand before the RAM blocks are listed"),
        (stream(section(1, 2, TWICE, "ram", 0, 4)), StreamError, "the RAM's size is told twice"),
        (stream(section(1, 2, u64(PAGE | MEM_SIZE) + EOF_WORD, "ram", 0, 3)), UnsupportedError, "from a live QEMU"),
        (stream(START, b"\0"), StreamError, "an element that cannot stand before the end of RAM"),
        (stream(START, section(2, 3, b"")), StreamError, "a section goes on that never began"),
        (stream(START, section(4, 2, b"", "other")), StreamError, "'other' has an id that was used"),
        (stream(START, section(2, 2, EOF_WORD)[:-1] + b"\x09"), StreamError, "the id in the footer of section 'ram'"),
        (stream(START, section(2, 2, packed(0, pages(1), "pc.ram") + EOF_WORD)), UnsupportedError, "no packed pages"),
        (stream(START, section(2, 2, delta(0, bytes(PAGE), pages(1), "pc.ram") + EOF_WORD)), UnsupportedError,
         "no packed pages"),
        (stream(START, section(2, 2, data(9, pages(1), "pc.ram") + EOF_WORD)), StreamError, "outside of RAM block"),
        (stream(START, section(2, 2, u64(0x800) + EOF_WORD)), StreamError, "flags that cannot be"),
        (stream(section(1, 2, block_list(PLAIN) + EOF_WORD, "ram", 0, 4, footer=False),
                section(1, 4, bytes(99), "other", footer=False)), UnsupportedError, "where section 'other' ends"),
    ],
)  # fmt: skip
def test_refused(octets: bytes, error: type[DomctxError], message: str) -> None:
    """By name, with the place."""
    with pytest.raises(error, match=message) as caught:
        passed(octets)
    assert caught.value.offset is not None


def test_words_of_multifd_are_passed_over(tmp_path: Path) -> None:
    """They tell of no page."""
    octets = stream(START, section(2, 2, u64(FLUSH) + data(1, pages(4), "pc.ram") + EOF_WORD), section(3, 2, EOF_WORD))
    assert passed(octets).pages[0][PAGE : 2 * PAGE] == pages(4)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that holds too much besides its pages is refused before it fills the memory."""
    monkeypatch.setattr("domctx_qemu_stream.kept.MAX_REST", 300)
    assert MAX_REST > 300
    with pytest.raises(UnsupportedError, match="too much besides its pages"):
        passed(plain())


def test_a_long_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a section whose end is not found in what is held."""
    octets = stream(START, section(1, 5, bytes(5 << 20), "vfio"))
    with pytest.raises(UnsupportedError, match="longer than what is held of it"):
        passed(octets)


@given(st.data())
@settings(max_examples=150)
def test_any_damage_is_refused_or_passes(data_: st.DataObject) -> None:
    """A typed error, never another, and no endless waiting."""
    octets = bytearray(plain())
    for _ in range(data_.draw(st.integers(1, 3))):
        octets[data_.draw(st.integers(0, len(octets) - 1))] ^= 1 << data_.draw(st.integers(0, 7))
    cut = data_.draw(st.integers(0, len(octets)))
    with contextlib.suppress(DomctxError):
        passed(bytes(octets[:cut]) if data_.draw(st.booleans()) else bytes(octets))


def test_what_read_a_stream_is_freed_at_once() -> None:
    """Not when the interpreter looks for circles: it keeps what arrived last, of each stream that was read."""
    gc.collect()
    gc.disable()
    try:
        kept = KeptStream("pipe")
        with contextlib.closing(kept), arriving(qs.modern()) as file:
            stream = PassingStream(file, kept)
            stream.begin()
            assert [batch.count for batch in stream.batches(64)]
            parts = [weakref.ref(part) for part in (stream, stream.ram, file)]
        del stream, file
        assert [part() for part in parts] == [None, None, None]
    finally:
        gc.enable()


def test_a_kept_stream_is_a_file() -> None:
    """That others read while it grows."""
    kept = KeptStream("pipe")
    kept.write(b"ab", memoryview(b"cd"))
    first: StreamFile = kept.opened()
    other = kept.copy()
    kept.write(text("e"), u32(1))
    other.write(b"!")
    second, third = kept.opened(), other.opened()
    assert [file.read(0, 99) for file in (first, second, third)] == [b"abcd", b"abcd\x01e\0\0\0\x01", b"abcd!"]
    for each in (first, second, third, kept, other):
        each.close()
