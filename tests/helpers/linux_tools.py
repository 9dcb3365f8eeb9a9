"""The tools that people look into a core with: gdb, crash and drgn, each run once over one file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

PATIENCE: Final = 300.0

TASKS: Final = """
import re, sys
from drgn import Program
from drgn.helpers.linux.pid import find_task, for_each_task

core, vmlinux = sys.argv[1:]
with open(core, "rb") as file:
    told = re.search(rb"OSRELEASE=[^\\0]{500,4000}?\\n(?=\\0)", file.read())
program = Program(vmcoreinfo=told[0])
program.set_core_dump(core)
program.load_debug_info([vmlinux])
print("banner", program["linux_banner"].string_().decode().strip())
for task in for_each_task(program):
    print("task", task.pid.value_(), task.comm.string_().decode())
print(program.stack_trace(find_task(program, 1)))
"""
"""The kernel tells debuggers about itself in a page of its memory (VMCOREINFO); drgn is given it from there."""


def _run(line: list[str], text: str = "") -> str:
    found = subprocess.run(line, input=text, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert found.returncode == 0, (line, found.stdout[-2000:], found.stderr[-2000:])
    return found.stdout


def tool(name: str) -> str:
    """Where a tool is, or where ``DOMCTX_<NAME>`` says that it is; skips where it is nowhere."""
    found = os.environ.get(f"DOMCTX_{name.upper()}") or shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed (set DOMCTX_{name.upper()})")
    return found


def gdb_registers(core: Path, vcpu: int) -> dict[str, int]:
    """What gdb says of a thread's registers."""
    commands = ["-ex", f"thread {vcpu + 1}", "-ex", "info registers"]
    text = _run([tool("gdb"), "-nx", "-batch", "-core", str(core), *commands])
    found = re.findall(r"^(\w+) +0x([0-9a-f]+)\b", text, re.M)
    return {name: int(value, 16) for name, value in found}


def crash(core: Path, vmlinux: Path, *commands: str) -> str:
    """What crash prints of a core, without its name."""
    text = "\n".join([*commands, "quit", ""])
    printed = _run([tool("crash"), "-s", str(vmlinux), str(core)], text)
    return printed.replace(str(core), "CORE")


def drgn(core: Path, vmlinux: Path) -> str:
    """Banner, task list and the back trace of process 1, by drgn."""
    pytest.importorskip("drgn", reason="drgn is not installed")
    return _run([sys.executable, "-c", TASKS, str(core), str(vmlinux)])
