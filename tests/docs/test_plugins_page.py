"""docs/plugins.md and docs/formats.md: their code is that of the out-of-tree distributions that the tests install."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("page", "example", "count"), [("plugins.md", "acme-tpm", 7), ("formats.md", "acme-vmm", 7)])
def test_blocks(page: str, example: str, count: int) -> None:
    """Every Python block of a page stands, as it is, in a file of its example."""
    folder = ROOT / "tests" / "third_party" / example
    sources = [path.read_text() for path in folder.glob("*/*.py")]
    blocks = re.findall(r"```python\n(.*?)\n```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    assert len(blocks) == count
    for block in blocks:
        assert any(block in source for source in sources), block
