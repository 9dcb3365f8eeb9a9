"""Tests of domctx_sim.build: ``domctx build``."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.cli.run import run
from domctx.errors import DomainError, UsageError
from domctx_sim.build import default_name, memory_pages, read_initrd, seed_of
from domctx_sim.kernel_image import make_guest
from domctx_sim.machine import Machine
from domctx_sim.platforms import FOUR_LEVEL
from helpers.machines import told_of


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A kernel image of two octets."""
    path = tmp_path / "guest.img"
    path.write_bytes(make_guest(b"\xeb\xfe", 0xC000_0000))
    return path


def built(kernel: Path, *arguments: str) -> int:
    """Run ``domctx build`` into the folder ``m`` beside the kernel; its exit code."""
    return run(["build", str(kernel), f"sim:{kernel.parent / 'm'}", *arguments])


def test_everything_is_told(kernel: Path, tmp_path: Path) -> None:
    """Memory, initrd, command line, interfaces and name arrive at the domain."""
    initrd = tmp_path / "initrd"
    initrd.write_bytes(b"files" * 1000)
    options = ["--memory", "1M", "--initrd", str(initrd), "--cmdline", "root=/dev/ram ro", "--vifs", "2"]
    assert built(kernel, *options, "--name", "first", "-O", "seed=5") == 0
    machine = told_of(tmp_path / "m")["machine"]
    assert (machine.name, machine.command_line, machine.run_state) == ("first", "root=/dev/ram ro", "paused")
    assert machine.blocks[0].pages == 256
    with Machine(tmp_path / "m") as sim:
        assert sim.domain.vifs == 2


def test_defaults(kernel: Path, tmp_path: Path) -> None:
    """Without options the domain has the kernel's name, one interface and no command line."""
    assert built(kernel, "--memory", "256K") == 0
    with Machine(tmp_path / "m") as sim:
        assert (sim.domain.name, sim.domain.vifs, sim.domain.command_line) == ("guest", 1, "")


@pytest.mark.parametrize(("paging", "levels", "abi"), [("pae", 3, "xen-x86_32"), ("4-level", 4, "xen-x86_64")])
def test_paging(kernel: Path, tmp_path: Path, paging: str, levels: int, abi: str) -> None:
    """--paging makes a machine of today, whose guests have page tables of that kind; its names may be long."""
    assert built(kernel, "--memory", "1M", "--paging", paging, "--name", "a" * 100, "--cmdline", "x" * 1000) == 0
    told = told_of(tmp_path / "m")
    assert (told["machine"].pv_levels, told["machine"].name, told["vcpus"][0].abi) == (levels, "a" * 100, abi)


def test_memory_of_machines_of_today() -> None:
    """They have frames for 16 GiB."""
    assert memory_pages("16G", FOUR_LEVEL) == 1 << 22
    with pytest.raises(UsageError, match="whole pages of 4K up to 16G"):
        memory_pages("17G", FOUR_LEVEL)


def test_seed(kernel: Path, tmp_path: Path) -> None:
    """One seed gives one machine, frame by frame."""
    tables = []
    for _ in range(2):
        assert built(kernel, "--memory", "256K", "-O", "seed=5", "--force") == 0
        tables.append((tmp_path / "m" / "frame_table").read_bytes())
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--memory", "0"], 2, "--memory is no size of a domain; expected whole pages of 4K up to 4G"),
        (["--memory", "1M", "-O", "sed=5"], 2, "there is no option 'sed'"),
        (["--memory", "1M", "--cmdline", "x" * 256], 2, "command line cannot be given to the guest"),
        (["--memory", "1M", "--name", "x" * 16], 6, "name cannot be kept"),
        (["--memory", "1M", "--name", ""], 0, ""),
        (["--memory", "1M", "--vifs", "9"], 2, "9 is not in the range 0<=x<=8"),
        (["--memory", "1M", "--vifs", "-1"], 2, "-1 is not in the range 0<=x<=8"),
        (["--memory", "16K"], 6, "too small for the page tables"),
        (["--memory", "1G"], 6, "reaches into Xen's space"),
        (["--memory", "1M", "--initrd", "/nowhere"], 6, "/nowhere: No such file"),
    ],
)
def test_bad_input(
    kernel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    """What cannot be built is refused with its exit code, and leaves nothing behind."""
    assert built(kernel, *arguments) == code
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == (["guest.img"] if code else ["guest.img", "m"])


def test_bad_kernel(kernel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no kernel is refused before anything is made."""
    kernel.write_bytes(b"\x7fELF" + bytes(100))
    assert built(kernel, "--memory", "1M") == 3
    assert "this is no kernel image" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_goals(kernel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A domain is built in a simulated machine, and one that exists is replaced with --force alone."""
    assert run(["build", str(kernel), str(tmp_path / "m"), "--memory", "1M"]) == 2
    assert "expected sim:DIR" in capsys.readouterr().err
    assert built(kernel, "--memory", "1M") == 0
    assert built(kernel, "--memory", "1M") == 2
    assert "exists already" in capsys.readouterr().err
    assert built(kernel, "--memory", "2M", "--force") == 0
    assert told_of(tmp_path / "m")["machine"].blocks[0].size == 2 << 20


@pytest.mark.parametrize(
    ("text", "pages"), [("4K", 1), ("4096", 1), ("64M", 16384), ("64MiB", 16384), ("1g", 1 << 18), ("4GB", 1 << 20)]
)
def test_sizes(text: str, pages: int) -> None:
    """Sizes are told in octets, or in K, M or G."""
    assert memory_pages(text) == pages


@pytest.mark.parametrize("text", ["", "0", "1K", "4097", "5G", "-4K", "64T", "M", "9" * 13])
def test_bad_sizes(text: str) -> None:
    """What is no whole number of pages up to 4 GiB is refused."""
    with pytest.raises(UsageError, match="no size of a domain"):
        memory_pages(text)


def test_default_names() -> None:
    """A name comes from the kernel's file name, in ASCII, at most 15 characters of it."""
    names = {
        "vmlinuz-2.4.26.img": "vmlinuz-2.4.26",
        "x" * 20: "x" * 15,
        "kärnel.gz": "k?rnel",
        ".img": ".img",
        "": "guest",
    }
    assert {name: default_name(Path(name)) for name in names} == names


@pytest.mark.parametrize("octets", [b"", bytes(4097)])
def test_bad_initrds(tmp_path: Path, octets: bytes) -> None:
    """An initrd that is empty, or larger than the domain, is refused."""
    (tmp_path / "initrd").write_bytes(octets)
    with pytest.raises(DomainError, match=r"empty or larger than the domain; expected 1 \.\. 0x1000 octets"):
        read_initrd(tmp_path / "initrd", 4096)


def test_seeds() -> None:
    """A seed is a number, or is not given."""
    assert seed_of(("seed=0x10",)) == 16
    assert seed_of(()) is None
