"""The record type MEMORY, and what the plugin adds to the command line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from domctx.api import Command, Machine
from domctx.states import MEMORY
from domctx.testing import RecordTypeContract
from domctx_memory import StoredMemory, layout
from domctx_memory.plugin import domctx_commands, domctx_record_types
from helpers.memory import block_of, machine_of, picture, random_pages

(TYPE,) = domctx_record_types()
BLOCKS = (block_of(70), block_of(9, 10, "small"))
seeds = st.integers(0, 1 << 32)


@st.composite
def stored(draw: st.DrawFn) -> StoredMemory:
    """Memory of the two blocks, some of it never stored."""
    memory = StoredMemory(BLOCKS)
    for number, block in enumerate(BLOCKS):
        pages = random_pages(draw(seeds), block.pages, 1 << block.page_shift, typed=draw(st.booleans()))
        first = draw(st.integers(0, block.pages))
        memory.store(pages.batch(number, first, first, block.pages))
    return memory


class TestMemoryContract(RecordTypeContract):
    """MEMORY keeps the contract of record types."""

    record_type = TYPE
    machine: ClassVar[Machine] = machine_of(BLOCKS)
    max_changes = 300

    def states(self) -> st.SearchStrategy[StoredMemory]:
        """Memories of every kind of page."""
        return stored()

    def snapshot(self, state: Any) -> Any:
        """Every page, as it is read."""
        return picture(state)


class TestUncompressedMemoryContract(TestMemoryContract):
    """MEMORY that is not compressed keeps the contract, too."""

    options = ("compression=none",)
    max_changes = 100
    max_examples = 10


def test_the_type_is_the_one_of_the_design() -> None:
    """Code, name and state are those of DESIGN.md section 4, and the largest body is the layout's."""
    assert (TYPE.code, TYPE.name, TYPE.state) == (0x0001_0100, "MEMORY", MEMORY)
    assert (TYPE.layout, TYPE.max_body) == (layout.MemoryBody, layout.MAX_BODY)
    assert {option.name: option.default for option in TYPE.options} == {"compression": "zstd", "level": 1}


def test_the_commands_are_there() -> None:
    """Every command's target is a click command of its name, with a line of help."""
    from importlib import import_module

    commands = list(domctx_commands())
    assert [command.name for command in commands] == ["extract", "read"]
    for command in commands:
        assert isinstance(command, Command)
        assert command.help
        module, _, attribute = command.target.partition(":")
        assert getattr(import_module(module), attribute).name == command.name


def test_the_plugin_imports_nothing_that_it_does_not_use() -> None:
    """Importing the plugin imports neither numpy nor click nor rich nor zstd nor cbor2."""
    check = "import sys, domctx_memory.plugin; print(*sorted(sys.modules))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "click", "rich", "cbor2", "blake3", "isal", "backports.zstd", "compression.zstd"}
    assert heavy.isdisjoint(found)
    assert "domctx_memory.layout" not in found


def test_public_names_are_there_and_no_others() -> None:
    """The package gives StoredMemory when it is asked for, and refuses names that it does not have."""
    import domctx_memory

    assert domctx_memory.StoredMemory is StoredMemory
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        domctx_memory.Nothing  # noqa: B018 (the look-up is what is tested)
