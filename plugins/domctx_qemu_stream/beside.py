"""The files beside a stream: of shared memory that it leaves out, and of channels that pages went through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domctx.errors import UsageError
from domctx.values import frozen
from domctx_qemu_stream.blocks import WireBlock
from domctx_qemu_stream.files import StreamFile, open_file
from domctx_qemu_stream.layout import IGNORE_SHARED
from domctx_qemu_stream.placement import main_blocks
from domctx_qemu_stream.ram import RamSection


@frozen(eq=False)
class Beside:
    """The files beside the stream: of shared memory by block, and of channels."""

    shared: Mapping[str, StreamFile]
    channels: Sequence[StreamFile] = ()


def open_shared(given: Sequence[str], blocks: Sequence[WireBlock], opened: list[StreamFile]) -> dict[str, StreamFile]:
    """The files of shared memory by block, from ``[BLOCK=]PATH``; all that are opened are added to ``opened``.

    Raises UsageError for a block that there is not, or a file that is shorter than its block.
    """
    sizes = {block.name: block.size for block in blocks}
    found: dict[str, StreamFile] = {}
    for text in given:
        name, path = named(text, blocks)
        if name in found:
            raise UsageError(f"RAM block {name!r} is given two files")
        file = open_file(path)
        opened.append(file)
        if file.size < sizes[name]:
            expected, got = f"0x{sizes[name]:x} octets", f"0x{file.size:x}"
            raise UsageError(f"is shorter than RAM block {name!r}", file=path, expected=expected, got=got)
        found[name] = file
    return found


def named(text: str, blocks: Sequence[WireBlock]) -> tuple[str, str]:
    """Block and path of ``[BLOCK=]PATH``; without a block the one of main RAM. Raises UsageError where that is none."""
    names = [block.name for block in blocks]
    name, equals, path = text.partition("=")
    if equals and name in names:
        return name, path
    main = main_blocks(blocks)
    if len(main) != 1:
        known = ", ".join(names) or "none"
        raise UsageError(f"{text!r} names no RAM block", hint=f"write BLOCK=PATH; the blocks are: {known}")
    return names[main[0]], text


def untold(ram: RamSection) -> set[str]:
    """The blocks of which the stream tells no page."""
    pairs = zip(ram.blocks, ram.runs, strict=True)
    return {block.name for block, runs in pairs if not len(runs) and block.mapped is None}


def is_ignored(capabilities: Sequence[str]) -> bool:
    """Whether a stream may leave out blocks of shared memory."""
    return IGNORE_SHARED in capabilities
