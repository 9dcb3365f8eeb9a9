"""The stream's own description: sizes are those of what it nests, and what nests too deep is no description."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from domctx.errors import StreamError
from domctx_qemu_stream import vmdesc
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.layout import MAX_SECTION

FIELDS = st.lists(st.fixed_dictionaries({"size": st.integers(0, 99)}, optional={"array_len": st.integers(0, 9)}))
NAMES = st.text(st.characters(codec="ascii"), max_size=9)
DEVICES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.fixed_dictionaries({"vmsd_name": NAMES, "fields": FIELDS}),
    lambda inner: st.fixed_dictionaries(
        {"vmsd_name": NAMES, "fields": FIELDS, "subsections": st.lists(inner, max_size=3)}
    ),
    max_leaves=8,
)


def size_of(device: dict[str, Any]) -> int:
    """Octets of the fields, and of each subsection its mark, length of name, name, version and fields."""
    own: int = sum(field["size"] * field.get("array_len", 1) for field in device["fields"])
    return own + sum(1 + 1 + len(one["vmsd_name"]) + 4 + size_of(one) for one in device.get("subsections", ()))


@given(DEVICES)
@example({"vmsd_name": "", "fields": [{"size": MAX_SECTION}]})
@example({"vmsd_name": "", "fields": [{"size": MAX_SECTION - 7}], "subsections": [{"vmsd_name": "x", "fields": []}]})
def test_a_size_is_the_sum_of_what_there_is(device: dict[str, Any]) -> None:
    """Of fields that are arrays each element counts, and there may be none."""
    assert vmdesc.size_of(device) == size_of(device)
    wrong = json.loads(json.dumps(device))
    wrong["fields"].append({"size": MAX_SECTION + 1})
    assert vmdesc.size_of(wrong) is None


def written(text: bytes, before: bytes = b"", behind: bytes = b"") -> StreamFile:
    """A file with a description."""
    descriptor = os.memfd_create("stream")
    os.write(descriptor, before + b"\0\6" + len(text).to_bytes(4, "big") + text + behind)
    return StreamFile(descriptor, "stream")


@pytest.mark.parametrize("behind", [b"", b"trailing", b"\0\6\0\0\0\2{}"])
def test_a_description_is_found_at_the_end(behind: bytes) -> None:
    """It stands at its EOF, and ends with its text, whatever is behind it."""
    devices = [{"name": "timer", "instance_id": 0}]
    file = written(json.dumps({"page_size": 4096, "devices": devices}).encode(), b"x" * 999, behind)
    for found in (vmdesc.find(file), vmdesc.read(file, 999)):
        assert found is not None
        assert (found.offset, found.end, found.devices) == (999, file.size - len(behind), devices)
    file.close()


@pytest.mark.parametrize(("depth", "good"), [(vmdesc.MAX_DEPTH, True), (vmdesc.MAX_DEPTH + 1, False), (5000, False)])
def test_a_description_that_is_whole_may_nest_too_deep(depth: int, good: bool) -> None:
    """The object, its list of devices and the device are three levels of it."""
    file = written(b'{"devices":[{"name":' + b"[" * (depth - 3) + b"]" * (depth - 3) + b"}]}")
    assert (vmdesc.find(file) is not None) is good
    if not good:
        with pytest.raises(StreamError, match="nests too deep"):
            vmdesc.read(file, 0)
    file.close()
