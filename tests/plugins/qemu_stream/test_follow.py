"""How far a run of equal records goes: the same, however many are looked at together."""

from __future__ import annotations

from hypothesis import given, strategies as st

from domctx_qemu_stream.follow import FEW, FIRST_STEP, LAST_STEP, follow
from domctx_qemu_stream.layout import PAGE_SIZE
from domctx_qemu_stream.runs import stride

FULL, FILLED = stride(1), 9
COUNTS = st.sampled_from([0, 1, FEW - 1, FEW, FEW + 1, FEW + FIRST_STEP - 1, FEW + FIRST_STEP, FEW + FIRST_STEP + 1])
WORD = 0x7000_0028


def plainly(octets: bytes, at: int, word: int, size: int) -> int:
    """The same by a loop over single records."""
    count = 0
    while at + (count + 1) * size <= len(octets):
        place = at + count * size
        if int.from_bytes(octets[place : place + 8], "big") != word + count * PAGE_SIZE:
            break
        if size == FILLED and octets[place + 8] != octets[at - 1]:
            break
        count += 1
    return count


@given(COUNTS | st.integers(0, 400), st.data())
def test_filled_pages(count: int, data: st.DataObject) -> None:
    """Of filled pages word and octet count, and a record that is cut is none."""
    run = b"".join((WORD + index * PAGE_SIZE).to_bytes(8, "big") + b"\x05" for index in range(count))
    octets = bytearray(b"\x05" + run + bytes(data.draw(st.integers(0, 20))))
    for _ in range(data.draw(st.integers(0, 2))):
        octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert follow(memoryview(octets), 1, WORD, FILLED) == plainly(bytes(octets), 1, WORD, FILLED)


@given(COUNTS, st.data())
def test_full_pages(count: int, data: st.DataObject) -> None:
    """Of full pages the words count, whatever stands between them."""
    page = bytes(PAGE_SIZE)
    octets = bytearray(b"".join((WORD + index * PAGE_SIZE).to_bytes(8, "big") + page for index in range(count)))
    octets += bytes(data.draw(st.integers(0, FULL)))
    if count and data.draw(st.booleans()):
        octets[FULL * data.draw(st.integers(0, count - 1)) + data.draw(st.integers(0, 7))] ^= 1
    assert follow(memoryview(octets), 0, WORD, FULL) == plainly(bytes(octets), 0, WORD, FULL)


def test_the_last_page_there_can_be() -> None:
    """Words do not wrap: a run ends with the highest page that a word can name."""
    word = (1 << 64) - 20 * PAGE_SIZE
    octets = b"".join((word + index * PAGE_SIZE & (1 << 64) - 1).to_bytes(8, "big") + b"\0" for index in range(30))
    assert follow(memoryview(b"\0" + octets), 1, word, FILLED) == 20


@given(st.integers(0, 3 * LAST_STEP), st.integers(0, 8), st.integers(1, 255))
def test_runs_that_are_looked_at_in_many_steps(broken: int, octet: int, change: int) -> None:
    """A run ends before the first record that is not as it should be, wherever that is and whatever is wrong."""
    octets = bytearray(b"\x05")
    octets += b"".join((WORD + index * PAGE_SIZE).to_bytes(8, "big") + b"\x05" for index in range(3 * LAST_STEP + 1))
    octets[1 + broken * FILLED + octet] ^= change
    assert follow(memoryview(octets), 1, WORD, FILLED) == broken
