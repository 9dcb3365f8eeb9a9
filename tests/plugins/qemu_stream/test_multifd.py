"""Channels of multifd."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from domctx.errors import DomctxError
from domctx.states import MEMORY
from domctx_memory.pages import whole
from domctx_qemu_stream.domain import QemuDomain
from helpers import qemu_streams as qs
from helpers.qemu_channels import MAIN, WHOLE, head, packet
from helpers.qemu_corpus import opened
from helpers.qemu_streams import PAGE

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def domain_of(folder: Path, *channels: bytes, main: bytes = MAIN) -> QemuDomain:
    """A main channel with others beside it."""
    given = [f"channel={qs.written(folder, octets, f'ch{index}')}" for index, octets in enumerate(channels)]
    return opened(qs.written(folder, main), *given)


def memory_of(domain: QemuDomain) -> bytes:
    """The octets of the one block."""
    memory = domain.state(MEMORY)
    assert memory is not None
    return whole(memory.read(0, 0, 6), PAGE).tobytes()


def test_packets_are_taken_in_their_order(tmp_path: Path) -> None:
    """Between two synchronisations packets count by their number, whichever channel they came through."""
    first = (
        head(0) + packet(1, [0, 1], [5], qs.pages(1, 2)) + packet(5, flags=1, size=99) + packet(6, [4], [], qs.pages(7))
    )
    second = head(1) + packet(2, [1, 3], [2], qs.pages(3, 4)) + packet(4, [4], [], qs.pages(9), flags=1)
    domain = domain_of(tmp_path, second, first)
    assert memory_of(domain) == qs.pages(1, 3) + bytes(PAGE) + qs.pages(4, 7) + bytes(PAGE)
    domain.close()


@pytest.mark.parametrize("method", [0x02, 0x04])
def test_packed_channels(method: int, tmp_path: Path) -> None:
    """zlib and zstd go on from packet to packet of a channel."""
    packer: Any = zlib.compressobj() if method == 0x02 else zstd.ZstdCompressor()
    flush = zlib.Z_SYNC_FLUSH if method == 0x02 else zstd.ZstdCompressor.FLUSH_BLOCK
    octets = head(0)
    for number in range(3):
        payload = packer.compress(qs.pages(number, number)) + packer.flush(flush)
        octets += packet(number, [2 * number, 2 * number + 1], [], payload, flags=method)
    assert memory_of(domain_of(tmp_path, octets)) == qs.pages(0, 0, 1, 1, 2, 2)


BAD = {
    "is no channel of multifd": [head(0, magic=1) + WHOLE],
    "does not begin as packets do": [head(0) + packet(0, magic=2)],
    "a channel is given twice": [head(0), head(0)],
    "of a RAM block that is not listed": [head(0) + packet(0, [0], [], qs.pages(1), block="../x")],
    "outside of its RAM block": [head(0) + packet(0, [6], [], qs.pages(1))],
    "not as long as its pages": [head(0) + packet(0, [0], [], qs.pages(1), size=7)],
    "too many pages": [head(0) + packet(0, [0], [], qs.pages(1), count=129)],
    "a packet is too long": [head(0) + packet(0, [0], [], qs.pages(1), size=1 << 31)],
    "a device's state": [head(0) + packet(0, flags=0x40)],
    "in a way that is not read": [head(0) + packet(0, [0], [], b"x", flags=0x08)],
    "cannot be unpacked": [head(0) + packet(0, [0], [], b"junk", flags=0x02)],
    "does not unpack to its pages": [head(0) + packet(0, [0], [], zlib.compress(b"x"), flags=0x02)],
    "changes how pages are packed": [
        head(0) + packet(0, [0], [], zlib.compress(qs.pages(1)), flags=0x02) + packet(0, [0], [], b"x", flags=0x04)
    ],
    "are in no channel that was given": [head(0) + packet(0, [0], [], qs.pages(1))],
    "ends early, in the pages of a packet": [(head(0) + WHOLE)[:-1]],
    "ends early, in a packet": [head(0) + WHOLE[:100]],
    "ends early, in the head of a channel": [b""],
}


@pytest.mark.parametrize("why", BAD)
def test_channels_that_cannot_be_are_refused(why: str, tmp_path: Path) -> None:
    """What a channel claims is checked before it is followed."""
    with pytest.raises(DomctxError, match=why):
        domain_of(tmp_path, *BAD[why]).state(MEMORY)


def test_a_page_in_both_is_refused(tmp_path: Path) -> None:
    """Nobody can tell whether a page of the main channel or of another is later."""
    main = qs.stream(qs.configuration(), qs.ram({"pc.ram": 6 * PAGE}, qs.fill(0, 0, "pc.ram")), qs.ending())
    with pytest.raises(DomctxError, match="in stream and channels"):
        domain_of(tmp_path, head(0) + WHOLE, main=main).state(MEMORY)
