"""What is kept of a stream's head, taken apart."""

from __future__ import annotations

import pytest

from domctx.errors import DomainError
from domctx.states import ForeignPart
from domctx_qemu_stream import heads
from domctx_qemu_stream.heads import read_kept
from domctx_qemu_stream.plain import Commands
from helpers import qemu_streams as qs

GOOD = {
    "header": qs.stream(),
    "configuration": qs.configuration(),
    "commands": qs.command(11),
    "sections": qs.section(1, 2, b"", "ram", 0, 4) + qs.section(1, 5, b"", "block") + qs.section(4, 7, b"", "timer"),
    "setup": qs.u32(3) + b"abc",
    "addresses": qs.u64(0) + qs.u64(0xC_0000),
}


def parts(**changed: bytes | None) -> list[ForeignPart]:
    """The parts, some of them changed."""
    return [ForeignPart("qemu", name, octets) for name, octets in (GOOD | changed).items() if octets is not None]


def test_parts_are_taken_apart() -> None:
    """Sections with their ids, what they begin with, footers, commands, addresses."""
    kept = read_kept([*parts(), ForeignPart("libvirt", "header", b"not ours")])
    assert [(head.name, head.identity, head.setup) for head in kept.heads] == [
        ("ram", 2, b""),
        ("block", 5, b"abc"),
        ("timer", 7, b""),
    ]
    assert kept.footers
    assert kept.ram is kept.heads[0]
    assert kept.commands == Commands(qs.command(11), ())
    assert kept.addresses == (0, 0xC_0000)
    assert kept.configuration.machine == "pc-i440fx-7.2"


def test_there_need_not_be_much() -> None:
    """Old streams have no configuration and no footers."""
    sections = qs.section(4, 7, b"", "timer", footer=False)
    kept = read_kept(parts(configuration=None, commands=None, setup=None, addresses=None, sections=sections))
    assert not kept.footers
    assert kept.ram is None
    assert kept.addresses == ()


@pytest.mark.parametrize("changed", [{"header": None}, {"sections": None}])
def test_what_never_was_qemus_is_refused(changed: dict[str, bytes | None]) -> None:
    """The refusal says what can be written instead."""
    with pytest.raises(DomainError, match="never was QEMU's") as caught:
        read_kept(parts(**changed))
    assert "elf:" in str(caught.value)


@pytest.mark.parametrize(
    ("why", "changed"),
    [
        ("is no migration stream", {"header": b"QEVN\0\0\0\3"}),
        ("end early, in its header", {"header": b"QEVM", "configuration": None}),
        ("a stream of an unknown version", {"header": b"QEVM\0\0\0\4"}),
        ("more sections go on than there are", {"setup": qs.u32(0) * 2}),
        ("end early", {"setup": qs.u32(3)}),
        ("end early", {"sections": GOOD["sections"][:-5]}),
        ("the id in a footer is wrong", {"sections": GOOD["sections"][:-1] + b"x"}),
        ("a section of a kind that cannot be", {"sections": qs.section(3, 2, b"")}),
        ("end early", {"commands": qs.command(11, b"abc")[:-1]}),
        ("a command is wrong", {"commands": b"\0"}),
        ("name is too long", {"configuration": b"\7" + qs.u32(5000)}),
    ],
)
def test_heads_that_cannot_be_are_refused(why: str, changed: dict[str, bytes | None]) -> None:
    """An image may say anything of the stream that it was."""
    with pytest.raises(DomainError, match=why):
        read_kept(parts(**changed))


def test_sections_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No stream has so many sections."""
    monkeypatch.setattr(heads, "MAX_SECTIONS", 2)
    with pytest.raises(DomainError, match="too many sections"):
        read_kept(parts())
