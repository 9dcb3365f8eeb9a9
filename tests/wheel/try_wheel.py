"""Tries an installed wheel as a user does: builds, saves, shows, loads and compares a simulated machine."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

import domctx

COMMANDS = (
    "make-guest payload.bin --load-address 0xC0000000 -o guest.img",
    "build guest.img sim:m1 --memory 4M",
    "save sim:m1 a.dctx",
    "info a.dctx",
    "verify a.dctx",
    "show a.dctx CPU:0",
    "load a.dctx sim:m2",
    "save sim:m2 b.dctx",
    "diff a.dctx b.dctx",
    "convert a.dctx lgr:a.lgr",
    "info a.lgr",
    "convert a.lgr sim:m4",
    "types",
    "plugins",
    "formats",
)


def main() -> int:
    """Run every command with the installed console script; the first that fails ends the run."""
    home = pathlib.Path(domctx.__file__).resolve()
    if "site-packages" not in home.parts:
        print(f"domctx is imported from {home}, not from an installed wheel")
        return 1
    if not (home.parent / "py.typed").exists():
        print("the wheel has no py.typed")
        return 1
    script = pathlib.Path(sys.executable).with_name("domctx")
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "payload.bin").write_bytes(b"\xf4\xeb\xfd")
        for command in COMMANDS:
            print(f"$ domctx {command}", flush=True)
            subprocess.run([script, *command.split()], cwd=folder, check=True)
    print(f"{len(COMMANDS)} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
