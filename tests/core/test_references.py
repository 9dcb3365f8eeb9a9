"""Tests of domctx.references: [scheme:]path, and whose a file is."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from domctx import references
from domctx.api import Format
from domctx.errors import DomainError, UnsupportedError, UsageError
from domctx.hookspecs import hookimpl
from domctx.references import HEAD, IMAGE_FORMAT, Reference, detect, head_of, parse, spool
from domctx.sources import FileSource
from helpers.toy_images import SMALLEST, toy_registry

TOYS = toy_registry()


@pytest.mark.parametrize(
    ("text", "scheme", "location"),
    [
        ("a.dctx", None, "a.dctx"),
        ("-", None, "-"),
        ("dctx:-", "dctx", "-"),
        ("toy:m1", "toy", "m1"),
        ("toy:/a:b", "toy", "/a:b"),
        ("./toy:m1", None, "./toy:m1"),
        ("/tmp/x:y", None, "/tmp/x:y"),
    ],
)
def test_references_are_parsed(text: str, scheme: str | None, location: str) -> None:
    """And written as they were."""
    found = parse(text, TOYS)
    assert found == Reference(scheme, location)
    assert str(found) == text
    assert found.is_stream == text.endswith("-")


def test_a_scheme_that_nobody_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused, unless a file has that very name."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"unknown scheme 'xyz'\n  known: dctx, in, out, text, toy; ./xyz:a is"):
        parse("xyz:a", TOYS)
    Path("xyz:a").touch()
    assert parse("xyz:a", TOYS) == Reference(None, "xyz:a")


def test_a_scheme_alone_names_nothing() -> None:
    """It says what is missing."""
    with pytest.raises(UsageError, match="'toy:' names nothing\n  write toy:PATH"):
        parse("toy:", TOYS)


def put(folder: Path, octets: bytes) -> str:
    """A file with these octets."""
    path = folder / "file"
    path.write_bytes(octets)
    return str(path)


def test_formats_are_told_by_magic_or_by_a_probe(tmp_path: Path) -> None:
    """Images by START's header, which is that of a plain v10 image too."""
    assert detect(put(tmp_path, SMALLEST), TOYS) is IMAGE_FORMAT
    assert detect(put(tmp_path, b"TEXT and more"), TOYS).scheme == "text"
    assert detect(put(tmp_path, b'{"toy": 1}'), TOYS).scheme == "toy"


def test_what_nobody_knows_is_refused(tmp_path: Path) -> None:
    """With its first octets, and what is known."""
    path = put(tmp_path, b"\x7fELF")
    with pytest.raises(UnsupportedError, match=r"no format is known that begins so; got 7f 45 4c 46\n  give the"):
        detect(path, TOYS)
    with pytest.raises(UnsupportedError, match="got an empty file"):
        detect(put(tmp_path, b""), TOYS)


class Greedy:
    """A plugin whose format claims every file."""

    @hookimpl
    def domctx_formats(self) -> Any:
        """Claim."""
        return [Format(scheme="all", summary="everything", probe=lambda head: True)]


def test_what_two_claim_is_refused(tmp_path: Path) -> None:
    """Naming both."""
    registry = toy_registry(**{"acme:greedy": Greedy()})
    told = r"several formats claim the file; got all \(of acme:greedy\), dctx \(of domctx:core\)\n  give the scheme"
    with pytest.raises(UnsupportedError, match=told):
        detect(put(tmp_path, SMALLEST), registry)


def test_folders_sockets_pipes_and_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are told as what they are."""
    with pytest.raises(UsageError, match=f"{tmp_path}: is a folder\n  write sim:{tmp_path} if it is"):
        detect(str(tmp_path), TOYS)
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as link:
        link.bind("vm.sock")
    with pytest.raises(UsageError, match=r"vm\.sock: is a socket\n  write qmp:vm.sock if it is the monitor"):
        detect("vm.sock", TOYS)
    with pytest.raises(DomainError, match="missing: No such file or directory"):
        detect(str(tmp_path / "missing"), TOYS)
    os.mkfifo("pipe")
    with pytest.raises(UsageError, match="pipe: is a pipe\n  a pipe is read as standard input: write - for it"):
        detect("pipe", TOYS)


def test_only_the_head_is_read(tmp_path: Path) -> None:
    """64 KiB of it."""
    assert head_of(put(tmp_path, bytes(HEAD + 9))) == bytes(HEAD)


def test_a_pipe_is_spooled() -> None:
    """To a file that has no name, and can be opened again as long as its descriptor is open."""
    reading, writing = os.pipe()
    octets = os.urandom(3 << 20)

    def feed() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(octets)

    thread = threading.Thread(target=feed)
    thread.start()
    path, kept = spool(FileSource(reading, "a pipe"))
    thread.join()
    assert Path(path).read_bytes() == octets
    assert Path(path).read_bytes() == octets
    os.close(kept)
    assert not os.path.exists(path)
    os.close(reading)


def test_a_spool_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Or not be filled, is the disk's refusal; nothing stays open."""
    folder = os.open(tmp_path, os.O_RDONLY)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(DomainError, match="a pipe: Is a directory"):
        spool(FileSource(folder, "a pipe"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(DomainError, match="missing: No such file or directory"):
        spool(FileSource(folder, "a pipe"))
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(folder)
    assert references.STREAM == "-"
