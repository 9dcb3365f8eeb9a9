"""README.md: every command shown there runs."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def commands(text: str) -> list[str]:
    """The lines behind a ``$`` in the README's console blocks."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_commands(tmp_path: Path) -> None:
    """Every command of the README's console blocks runs, in order, in an empty folder."""
    found = commands((ROOT / "README.md").read_text())
    assert len(found) > 20
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    try:
        for command in found:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command],
                cwd=tmp_path,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    finally:
        end_qemu(tmp_path / "vm.sock")


def end_qemu(path: Path) -> None:
    """A command that failed may have left QEMU behind, in the background."""
    with socket.socket(socket.AF_UNIX) as client:
        if path.exists() and client.connect_ex(str(path)) == 0:
            client.sendall(b'{"execute": "qmp_capabilities"}{"execute": "quit"}')
            while client.recv(1 << 16):
                pass


def test_scripts_are_there() -> None:
    """The two scripts that the README names exist, and set -e stands in what they source."""
    blocks = re.findall(r"```sh\nsh (.*?)\n```", (ROOT / "README.md").read_text())
    assert blocks == ["docs/first-save.sh", "docs/run-tests.sh"]
    for script in blocks:
        assert '. "$(dirname "$0")/setup.sh"' in (ROOT / script).read_text()
    assert "set -eu" in (ROOT / "docs/setup.sh").read_text()


def test_links() -> None:
    """Every file that the README and the docs link to exists."""
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"
