"""What a waiting QEMU is compared by. (That another machine is refused by name is tested with the target.)"""

from __future__ import annotations

import pytest

from domctx_qmp.fitting import LiveBlock, check_waiting, live_blocks
from domctx_qmp.monitor import Monitor
from helpers.live_loads import SMALL, waiting


def test_blocks_of_a_real_qemu() -> None:
    """Their names, and their octets in use and in all, as QEMU lists them."""
    with waiting(*SMALL, "-vga", "std") as qemu, Monitor(str(qemu.socket)) as monitor:
        check_waiting(monitor)
        found = live_blocks(monitor)
    assert found["pc.ram"] == LiveBlock(16 << 20, 16 << 20)
    assert found["/rom@etc/acpi/tables"] == LiveBlock(0x20000, 0x200000)
    assert found["0000:00:02.0/vga.vram"] == LiveBlock(16 << 20, 16 << 20)


@pytest.mark.parametrize(
    ("block", "size", "fits"),
    [
        (LiveBlock(0x1000, 0x1000), 0x1000, True),
        (LiveBlock(0x1000, 0x1000), 0x800, False),
        (LiveBlock(0x1000, 0x4000), 0x2000, True),
        (LiveBlock(0x1000, 0x4000), 0x4000, True),
        (LiveBlock(0x1000, 0x4000), 0x5000, False),
        (LiveBlock(0x1000, 0x4000), 0, False),
    ],
)
def test_which_sizes_a_block_takes(block: LiveBlock, size: int, fits: bool) -> None:
    """Its own; where it can grow, what it can grow to."""
    assert block.takes(size) == fits
