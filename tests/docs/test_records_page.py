"""docs/records.md is what the declarations say. Run this file as a program to write the page anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "records.md"
HEAD = """# Record types

Every bundled record type with its fields, as its layout declares them: offsets and sizes in octets, integers
little-endian where nothing else is said. Made by `domctx types --table`; how records stand in an image is in
[format.md](format.md).

"""


def page() -> str:
    """The page as it should be."""
    environment = {name: value for name, value in os.environ.items() if name != "DOMCTX_DISABLE_PLUGINS"}
    command = [sys.executable, "-m", "domctx.cli.main", "types", "--table"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return HEAD + done.stdout.rstrip("\n") + "\n"


def test_page() -> None:
    """The page is what `domctx types --table` prints of the bundled types."""
    assert PAGE.read_text() == page(), "write it anew: python tests/docs/test_records_page.py"


if __name__ == "__main__":
    PAGE.write_text(page())
