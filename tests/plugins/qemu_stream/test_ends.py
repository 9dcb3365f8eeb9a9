"""Where a section ends whose length nobody told: found as by a look at every place, however far away it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given, strategies as st

from domctx.errors import StreamError
from domctx.files import CutError
from domctx_qemu_stream import ends
from domctx_qemu_stream.files import StreamFile

START = 9
"""Octets before the section."""
PIECES = st.one_of(
    st.binary(max_size=3),
    st.sampled_from([b"\4\0\0", b"\4\0\0\0\5\3cpu", b"\0\0\0\1", b"\0\0\0\2\0\0\0\3", b"\0\0\0\1\0\0\1\0", b"\x7e"]),
    st.sampled_from([b"\4\0\0\1\2\3cpu\0\0\0\1\0\0\0\2", b"\x7e\0\0\1\2", b"\x7e\0\0\1\2\0", b"\1\0\0\0\5\4"]),
    st.integers(0, 600).map(bytes),
)
OCTETS = st.lists(PIECES, max_size=9).map(b"".join)


@contextmanager
def opened(octets: bytes) -> Iterator[StreamFile]:
    """A file of these octets, behind some others."""
    descriptor = os.memfd_create("stream")
    os.write(descriptor, b"x" * START + octets)
    file = StreamFile(descriptor, "stream")
    try:
        yield file
    finally:
        file.close()


def is_header(octets: bytes, newest: int) -> bool:
    """Whether ``octets`` begin with a section that names itself: kind, id, name, instance and version."""
    if len(octets) < 14 or octets[0] not in (1, 4) or octets[1:3] != b"\0\0" or not octets[5]:
        return False
    name, numbers = octets[6 : 6 + octets[5]], octets[6 + octets[5] :][:8]
    told = len(numbers) == 8 and numbers[:2] == b"\0\0" and int.from_bytes(numbers[4:], "big") <= newest
    return told and all(0x20 <= octet < 0x7F for octet in name)


def goes_on(octets: bytes, eof: bool | None) -> bool:
    """Whether something that may stand behind a section stands at their beginning; ``eof`` where EOF may."""
    if not octets:
        return False
    if octets[0] in (1, 4):
        return is_header(octets, 0x7FFF_FFFF)
    return eof is not False if octets[0] == 0 else octets[0] in (2, 3, 8) and len(octets) >= 5


@given(OCTETS, st.booleans())
@example(bytes(511) + b"\4\0\0\1\2\3cpu\0\0\0\1\0\0\0\2" + bytes(2), True)
@example(bytes(1536) + b"\4\0\0\1\2\xff" + b"c" * 255 + b"\0\0\0\1\0\0\0\xff" + bytes(2), False)
@example(b"\4\0\0\1\2\3cpu\0\0\0\1\0\0\0\2", False)
@example(b"\0", True)
@example(b"", False)
def test_the_next_section_is_found(octets: bytes, told: bool) -> None:
    """The first header of a section that is whole, else the end of the stream."""
    end = len(octets) - 1
    places = [place for place in range(end + 1) if octets[place] == 4 and is_header(octets[place:], 0xFF)]
    wanted = places[0] if places else end if octets[-1:] == b"\0" else None
    with opened(octets) as file:
        found = ends.by_header(file, START, START + end if told else None)
    assert found == (None if wanted is None else START + wanted)


@given(OCTETS, st.none() | st.integers(0, 40))
@example(bytes(510) + b"\x7e\0\0\1\2" + b"\2\0\0\0\0", None)
@example(bytes(512) + b"\x7e\0\0\1\2" + b"\0", 517)
@example(b"\x7e\0\0\1\2\0", 4)
@example(b"\x7e\0\0\1\2\0" * 3, None)
@example(b"\x7e\0\0\1\2\0\5" + bytes(600) + b"\x7e\0\0\1\2\0\6", None)
@example(b"\x7e\0\0\1\2\0\5" + bytes(600) + b"\x7e\0\0\1\2\0\7", None)
@example(b"\x7e\0\0\1\2\1\0\0\0\5\3cpu\0\0\0\1\x7f\xff\xff\xff", None)
@example(b"\x7e\0\0\1\2\1\0\0\0\5\3cpu\0\0\0\1\x80\0\0\0", None)
def test_the_footer_is_found(octets: bytes, eof: int | None) -> None:
    """The first with the section's id behind which a stream can go on; EOF stands where it is known to stand.

    Where that is not known, an EOF with something behind it is believed only if nothing else is found.
    """
    places = []
    for place in range(len(octets)):
        behind = place + 5
        if octets[place:behind] == b"\x7e\0\0\1\2" and goes_on(octets[behind:], None if eof is None else eof == behind):
            doubtful = eof is None and octets[behind] == 0 and octets[behind + 1 : behind + 2] not in (b"", b"\6")
            places.append((doubtful, place))
    wanted = min(places)[1] if places else None
    with opened(octets) as file:
        found = ends.by_footer(file, START, 0x102, None if eof is None else START + eof)
    assert found == (None if wanted is None else START + wanted)


def test_a_stream_that_ended_before_has_no_end() -> None:
    """An end that is told to stand before the section is none of it."""
    with opened(bytes(9)) as file:
        assert ends.by_header(file, START + 3, START + 2) is None
        assert ends.by_header(file, START + 3, START + 3) == START + 3


NAMES = st.text(st.characters(codec="ascii"), max_size=9).map(str.encode)
WORDS = st.one_of(
    st.builds(
        lambda sector, name: (sector << 9 | 1, bytes((len(name),)) + name + b"c" * 16), st.integers(0, 99), NAMES
    ),
    st.builds(lambda sector, name: (sector << 9 | 9, bytes((len(name),)) + name), st.integers(0, 99), NAMES),
    st.builds(lambda percent: (percent << 9 | 4, b""), st.integers(0, 100)),
)


@given(st.lists(WORDS, max_size=6), st.integers(0, 1 << 50), st.binary(max_size=9))
def test_a_disk_ends_with_its_word(words: list[tuple[int, bytes]], rest: int, behind: bytes) -> None:
    """Pieces of a disk with their octets or all zero, how far it is, and the word that ends the section."""
    octets = b"".join(word.to_bytes(8, "big") + told for word, told in [*words, (rest << 9 | 2, b"")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ends, "BLOCK_CHUNK", 16)
        with opened(octets + behind) as file:
            assert ends.of_block(file, START) == START + len(octets)
        for size in range(len(octets)):
            with opened(octets[:size]) as file, pytest.raises(CutError):
                ends.of_block(file, START)


@pytest.mark.parametrize("flag", [0x10, 0x20, 0x40, 0x80, 0x100])
def test_a_word_of_a_disk_that_cannot_be(flag: int) -> None:
    """It is refused where it stands, whatever other flags it has."""
    octets = (4).to_bytes(8, "big") + (flag | 4).to_bytes(8, "big") + (2).to_bytes(8, "big")
    with opened(octets) as file, pytest.raises(StreamError, match="flags that cannot be") as caught:
        ends.of_block(file, START)
    assert caught.value.offset == START + 8


@pytest.mark.parametrize(
    ("octets", "eof", "wanted"),
    [
        (b"\0", None, True),
        (b"\0\0", None, False),
        (b"\0\0", 0, True),
        (b"\0\0", 1, False),
        (b"\4\0\0\1\2\3cpu\0\0\0\1\0\0\0\xff", None, True),
        (b"\4\0\0\1\2\3cpu\0\0\0\1\0\0\1\0", None, False),
        (b"\4\0\0\1\2\3cpu\0\0\0\1\0\0\0", None, False),
        (b"\2\0\0\1\2", None, False),
        (b"", None, False),
    ],
)
def test_what_is_hardly_doubted(octets: bytes, eof: int | None, wanted: bool) -> None:
    """A section that names itself, or the end of the stream; not what may be anything."""
    with opened(octets) as file:
        assert ends.begins(file, START, None if eof is None else START + eof) is wanted
