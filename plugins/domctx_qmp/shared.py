"""Which RAM blocks of a live QEMU are shared with files that can be read here (formats/qemu.md 8).

QEMU tells where a guest-physical address stands in its own memory, and the kernel which file is mapped there: so each
block finds its very file, whatever it is called, and none is guessed by its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs

from domctx.api import RamBlock
from domctx.values import frozen
from domctx_qmp.host import Mapped, block_start, holding, mappings, open_mapped
from domctx_qmp.monitor import Monitor
from domctx_qmp.ram_file import RamFile

OBJECTS: Final = "/objects/"


@frozen(eq=False)
class SharedRam:
    """The files by block number; ``whole`` tells that there is one for every block that QEMU may leave out."""

    files: dict[int, RamFile] = attrs.field(factory=dict)
    whole: bool = False

    def close(self) -> None:
        """Close the files."""
        for file in self.files.values():
            file.close()
        self.files.clear()


def shared_ram(monitor: Monitor, blocks: Sequence[RamBlock]) -> SharedRam:
    """The shared blocks that can be read. Raises DomainError where QEMU does not answer."""
    names = _shared_names(monitor)
    found = SharedRam()
    if not monitor.pid or not names:
        return found
    try:
        shown = mappings(monitor.pid)
        for index, block in enumerate(blocks):
            file = _file_of(monitor, block, shown) if block.name.removeprefix(OBJECTS) in names else None
            if file is not None:
                found.files[index] = file
    except BaseException:
        found.close()
        raise
    known = {blocks[index].name.removeprefix(OBJECTS) for index in found.files}
    return attrs.evolve(found, whole=names <= known)


def _shared_names(monitor: Monitor) -> set[str]:
    """The memory backends that are shared; one without a name is known to nobody."""
    rows: list[dict[str, Any]] = monitor.execute("query-memdev")
    return {str(row.get("id", "")) for row in rows if row.get("share")}


def _file_of(monitor: Monitor, block: RamBlock, shown: Sequence[Mapped]) -> RamFile | None:
    """The file of a block, where every place of the block leads to the same one."""
    start = block_start(monitor, block)
    if start is None:
        return None
    mapped = holding(shown, start, block.size)
    if mapped is None or not mapped.shared:
        return None
    descriptor = open_mapped(monitor.pid, mapped)
    if descriptor is None:
        return None
    return RamFile(descriptor, mapped.offset + start - mapped.start, block.size, f"RAM block {block.name!r}")
