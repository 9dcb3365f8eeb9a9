"""One record as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from domctx.errors import RecordError
from domctx.states import PageKind
from domctx_memory.show import show
from helpers.memory import Pages, Road, SourceMemory, block_of, changed_head, stream_of

KINDS = np.repeat([0, 2, 1, 0], [50, 10, 30, 40]).astype(np.uint8)
CONTENTS = np.arange(130 * 4096).reshape(130, 4096).astype(np.uint8)
CONTENTS[KINDS == PageKind.FILL] = 7
BLOCKS = [block_of(130)]


def shown(types: list[int] | None = None, *given: str) -> dict[str, object]:
    """The JSON of the one record of a small memory."""
    column = None if types is None else np.repeat(types, [100, 30]).astype(np.uint8)
    road = Road(BLOCKS, given)
    octets = road.save(SourceMemory(BLOCKS, [Pages(KINDS, CONTENTS, column)]))
    (value,) = [show(record, road.context()) for record in road.run(octets)]
    assert json.loads(json.dumps(value)) == value
    found: dict[str, object] = value
    return found


def test_what_a_record_covers_is_shown() -> None:
    """Block, pages, kinds, frames, codec and sizes are shown, the pages are not."""
    value = shown()
    assert value.pop("stored") < 5000  # type: ignore[operator]  # a number
    assert value == {
        "block": "pc.ram",
        "first": "0x0",
        "count": 130,
        "page_size": 4096,
        "kinds": {"data": 90, "zero": 30, "fill": 10},
        "codec": "zstd",
        "frames": 3,
        "octets": 90 * 4096,
    }


def test_types_are_shown_where_there_are_any() -> None:
    """Page types are counted by name; a record that is not compressed stores what it holds."""
    value = shown([0, 10], "compression=none")
    assert value["types"] == {"notab": 100, "l2tab pinned": 30}
    assert (value["codec"], value["stored"]) == ("none", value["octets"])


def test_a_record_that_cannot_be_is_named() -> None:
    """A record of a block that the machine does not have is refused, with its name and offset."""
    road = Road(BLOCKS)
    (body,) = road.bodies(SourceMemory(BLOCKS, [Pages(KINDS, CONTENTS)]))
    record = next(iter(road.run(stream_of([changed_head(body, block=3)]))))
    with pytest.raises(RecordError, match="block cannot be") as caught:
        show(record, road.context())
    assert (caught.value.record, caught.value.offset) == ("MEMORY[0]", 0)
