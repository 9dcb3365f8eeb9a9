"""Tests of domctx.schema.render_c: C headers that prove their own sizes and offsets."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from domctx.schema import (
    U8,
    U32,
    Blob,
    Bytes,
    Nested,
    c_header,
    fields,
    nested_layouts,
    offset_of,
    size_of,
)
from domctx.schema.render_c import c_member, c_name
from helpers.layouts import Everything, Section, TrapInfo, layouts, make_layout

GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(GCC is None, reason="gcc is not installed")
FLAGS = ("-std=c11", "-Wall", "-Wextra", "-Werror")


def gcc(*arguments: str) -> None:
    """Run gcc; its messages are the assertion's."""
    done = subprocess.run([str(GCC), *FLAGS, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def measured(classes: Sequence[type[Any]], folder: Path) -> list[int]:
    """What a compiled program says of the size of each struct and the offset of each of its members."""
    lines = ["#include <stdio.h>", c_header(classes), "int main(void) {"]
    for cls in classes:
        name = f"struct {c_name(cls, 'domctx')}"
        what = [f"sizeof({name})", *(f"offsetof({name}, {c_member(field.name)})" for field in fields(cls))]
        lines += [f'printf("%zu\\n", {each});' for each in what]
    (folder / "main.c").write_text("\n".join([*lines, "return 0; }\n"]), encoding="utf-8")
    gcc("-m64", "-o", str(folder / "main"), str(folder / "main.c"))
    told = subprocess.run([str(folder / "main")], capture_output=True, text=True, check=True)
    return [int(line) for line in told.stdout.split()]


def declared(classes: Sequence[type[Any]]) -> list[int]:
    """The same as the layouts say it."""
    return [
        number for cls in classes for number in (size_of(cls), *(offset_of(cls, field.name) for field in fields(cls)))
    ]


@needs_gcc
def test_compiled_sizes_and_offsets_agree(tmp_path: Path) -> None:
    """sizeof and offsetof of a 64-bit program are size_of and offset_of."""
    classes = nested_layouts([Everything, Section, make_layout([Blob("only a tail")])])
    assert measured(classes, tmp_path) == declared(classes)


@needs_gcc
@given(st.lists(layouts(), min_size=1, max_size=6))
@settings(max_examples=5, deadline=None)
def test_compiled_random_layouts_agree(classes: list[type[Any]]) -> None:
    """Layouts that nobody wrote agree too."""
    every = nested_layouts(classes)
    with TemporaryDirectory() as folder:
        assert measured(every, Path(folder)) == declared(every)


@needs_gcc
def test_the_asserts_hold_on_i386_too(tmp_path: Path) -> None:
    """The header compiles with -m32, where long long would be aligned otherwise."""
    header = tmp_path / "layouts.h"
    header.write_text(c_header([Everything, Section]), encoding="utf-8")
    gcc("-m32", "-ffreestanding", "-fsyntax-only", "-x", "c", str(header))


@needs_gcc
def test_the_asserts_fire(tmp_path: Path) -> None:
    """A header with a wrong offset does not compile."""
    header = tmp_path / "layouts.h"
    text = c_header([TrapInfo])
    assert "offsetof(struct domctx_trap_info, address) == 4" in text
    header.write_text(text.replace("address) == 4", "address) == 5"), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"offset of domctx_trap_info\.address"):
        gcc("-fsyntax-only", "-x", "c", str(header))


def test_members_are_documented() -> None:
    """Offset, meaning, unit, byte order, version and CBOR stand in the comment."""
    header = c_header([Everything, Section], prefix="acme")
    assert "#ifndef ACME_LAYOUTS_H" in header
    assert "/* formats/xen.md 1.4 */\nstruct acme_trap_info {" in header
    for line in (
        "uint64_t u64; /* 0x0001: b; octets */",
        "int16_t x; /* 0x0000: east; pages; big-endian */",
        "uint8_t hole[2]; /* 0x0002: must be zero */",
        "char name[8]; /* 0x003a: f */",
        "uint16_t words[3]; /* 0x0042: g; PFN */",
        "uint8_t keys[2][2]; /* 0x0048: h */",
        "uint8_t grid[3][2]; /* 0x004c: i */",
        "struct acme_trap_info traps[4]; /* 0x005a: k */",
        "uint8_t config[]; /* 0x008d: m; canonical CBOR */",
        "uint32_t two; /* 0x0002: of version 2; since version 2 */",
        "uint8_t rest[]; /* 0x0008: of version 2 too; since version 2 */",
    ):
        assert f"    {line}\n" in header


def test_a_tail_alone_has_no_flexible_array() -> None:
    """C wants another member before a flexible array; an empty array needs none."""
    assert "uint8_t f0[0];" in c_header([make_layout([Blob("all")])])


def test_comments_cannot_end_early() -> None:
    """What a meaning says stays in its comment, on one line."""
    header = c_header([make_layout([U8("a */ #error /* b\nc")])])
    assert "/* 0x0000: a * / #error / * b c */" in header


def test_names_become_c_names() -> None:
    """Camel case is split, keywords are avoided."""
    names = {name: c_name(type(name, (), {}), "p") for name in ("TrapInfo", "CPUState", "Abc1Def", "_Hidden", "X")}
    assert list(names.values()) == ["p_trap_info", "p_cpu_state", "p_abc1_def", "p_hidden", "p_x"]
    assert [c_member(name) for name in ("default", "defaults", "class")] == ["default_", "defaults", "class_"]


def test_two_classes_of_one_name_are_refused() -> None:
    """One struct cannot be two."""
    inner = make_layout([Bytes(3, "a")])
    with pytest.raises(TypeError, match="Made and Made would both be struct domctx_made"):
        c_header([make_layout([U32("a"), Nested(inner, "b")]), TrapInfo])


def test_every_class_is_a_layout() -> None:
    """A class without a layout is a programming error."""
    with pytest.raises(TypeError, match="is not a layout class"):
        c_header([int])
