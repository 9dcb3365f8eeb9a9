"""A guest that counts, writes across its pages, and reads and writes the shared-info page; for every machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domctx_sim.kernel_image import KernelImage
from domctx_sim.platforms import FOUR_LEVEL, PAE_TODAY, TWO_LEVEL
from helpers.machines import BASE, built

COUNTER, PAGES = 64, 1024


def guest_code(nr_pages: str, field: str) -> bytes:
    """The guest, in instructions that are the same in 32 and in 64 bits.

    ``nr_pages`` loads start_info.nr_pages from where ESI points; ``field`` is the offset in shared_info that it reads.
    """
    return bytes.fromhex(nr_pages + _CODE.replace("FIELD", field))


_CODE = (
    "bb000004c0"  # mov ebx, 0xc0040000        page 64 holds the counter
    "89d5"  # mov ebp, edx
    "c1e50c"  # shl ebp, 12
    "81c5000000c0"  # add ebp, 0xc0000000        shared_info, one page past the end
    "bf000008c0"  # mov edi, 0xc0080000        a table that is written from page 128 on
    # next:
    "ff03"  # inc dword [ebx]
    "8b03"  # mov eax, [ebx]
    "69c00d661900"  # imul eax, eax, 1664525
    "055ff36e3c"  # add eax, 1013904223
    "50"  # push eax                   the stack lies over the reserved pages
    "8907"  # mov [edi], eax             every so often across two pages
    "81c7ff0f0000"  # add edi, 0xfff
    "81ff000020c0"  # cmp edi, 0xc0200000
    "7205"  # jb same
    "bf000008c0"  # mov edi, 0xc0080000
    # same:
    "8b85FIELD"  # mov eax, [ebp + offset]    of shared_info
    "014304"  # add [ebx + 4], eax
    "58"  # pop eax
    "ff85f80f0000"  # inc dword [ebp + 0xff8]    the end of the shared page
    "ebc9"  # jmp next
)
GUEST = guest_code("8b16", "88010000")
"""On 2004: mov edx, [esi]; shared_info.cpu_freq at 392."""
KINDS = {
    "2-level": (TWO_LEVEL, GUEST, 1_000_000_000),
    "pae": (PAE_TODAY, guest_code("8b5620", "0c090000"), PAGES),
    "4-level": (FOUR_LEVEL, guest_code("8b5620", "100c0000"), PAGES),
}
"""The machine; the guest: mov edx, [esi + 32], and arch.max_pfn at 2316 or 3088; what it finds there."""
SETUP, LOOP = 6, 14
"""Instructions before the loop, and in one turn of it that does not begin the table anew."""


def made(folder: Path, kind: str, seed: int = 1) -> Path:
    """A machine with the guest; of today its frames lie below and above 4 GiB."""
    platform, code, _ = KINDS[kind]
    given: dict[str, Any] = {"pages": PAGES, "initrd": b"initrd" * 3000, "command_line": "count"}
    return built(folder, seed=seed, platform=platform, image=KernelImage(BASE, code), **given)
