"""Tests of domctx_sim.wrap: ``domctx make-guest``."""

from __future__ import annotations

from pathlib import Path

import pytest

from domctx.cli.run import run
from domctx.errors import UsageError
from domctx_sim import wrap
from domctx_sim.kernel_image import KernelImage, read_image


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    """A flat binary."""
    path = tmp_path / "payload.bin"
    path.write_bytes(b"\xeb\xfe")
    return path


def made(payload: Path, *arguments: str, address: str = "0xC0000000") -> int:
    """Run ``domctx make-guest`` into the file ``image`` beside the binary; its exit code."""
    goal = str(payload.parent / "image")
    return run(["make-guest", str(payload), "--load-address", address, "-o", goal, *arguments])


@pytest.mark.parametrize("packed", [False, True])
def test_wrapping(payload: Path, packed: bool) -> None:
    """A flat binary becomes an image that the builder reads, packed where that is asked for."""
    assert made(payload, *(["--gzip"] if packed else [])) == 0
    image = payload.parent / "image"
    assert read_image(image, 4096) == KernelImage(0xC000_0000, b"\xeb\xfe")
    assert (image.read_bytes()[:2] == b"\x1f\x8b") == packed


@pytest.mark.parametrize(
    ("octets", "address", "code", "message"),
    [
        (b"x", "0xC0000001", 4, "not page-aligned; got 0xc0000001"),
        (b"x", "0xFC000000", 4, "belongs to Xen"),
        (b"x", "here", 2, "--load-address is no address"),
        (b"", "0", 4, "the flat binary is empty"),
    ],
)
def test_bad_input(
    payload: Path, capsys: pytest.CaptureFixture[str], octets: bytes, address: str, code: int, message: str
) -> None:
    """What makes no image is refused, and leaves no file."""
    payload.write_bytes(octets)
    assert made(payload, address=address) == code
    assert message in capsys.readouterr().err
    assert not (payload.parent / "image").exists()


def test_files(payload: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An image that exists is replaced with --force alone; a binary must be there."""
    assert made(payload) == 0
    assert made(payload) == 2
    assert "exists already" in capsys.readouterr().err
    assert made(payload, "--force") == 0
    payload.unlink()
    assert made(payload, "--force") == 6
    assert "No such file" in capsys.readouterr().err


def test_large_binaries(payload: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is larger than any guest is not read to its end."""
    monkeypatch.setattr(wrap, "LIMIT", 1)
    assert made(payload) == 2
    assert "larger than any guest" in capsys.readouterr().err


def test_addresses() -> None:
    """An address is decimal or hexadecimal."""
    assert wrap.address_of("4096") == wrap.address_of("0x1000") == 4096
    with pytest.raises(UsageError, match="no address"):
        wrap.address_of("")
