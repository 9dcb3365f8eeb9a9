"""docs/plugins.md: its code is the code of the out-of-tree distribution that the tests install."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "tests" / "third_party" / "acme-tpm"


def test_blocks() -> None:
    """Every Python block of the page stands, as it is, in a file of the example."""
    sources = [path.read_text() for folder in ("acme_tpm", "tests") for path in (EXAMPLE / folder).glob("*.py")]
    blocks = re.findall(r"```python\n(.*?)\n```", (ROOT / "docs" / "plugins.md").read_text(), re.DOTALL)
    assert len(blocks) == 7
    for block in blocks:
        assert any(block in source for source in sources), block
