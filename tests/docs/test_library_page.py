"""docs/library.md: its code runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from helpers.distributions import domctx

PAGE = Path(__file__).resolve().parents[2] / "docs" / "library.md"


def test_blocks(tmp_path: Path) -> None:
    """The blocks of the page, one behind the other, run beside a simulated machine and its image."""
    (tmp_path / "payload").write_bytes(bytes(4096))
    for command in (
        ("make-guest", "payload", "--load-address", "0xc0100000", "-o", "guest.img"),
        ("build", "guest.img", "sim:m1", "--memory", "4M"),
        ("save", "sim:m1", "a.dctx"),
    ):
        assert domctx(*command, cwd=tmp_path).returncode == 0
    source = "\n".join(re.findall(r"```python\n(.*?)\n```", PAGE.read_text(), re.DOTALL))
    done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "guest i386\nram 4194304\n[1 1 1 1] (0, 4096)\n" in done.stdout
    assert "StateKey(name='memory', version=1)" in done.stdout
    assert (tmp_path / "copy.dctx").read_bytes()[:32] == (tmp_path / "a.dctx").read_bytes()[:32]
