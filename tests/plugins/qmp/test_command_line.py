"""QEMU's command line, taken and made anew."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, strategies as st

from domctx.errors import UsageError
from domctx_qmp.command_line import ALONE, DROPPED, LIMIT, again, arguments_of, taken, words_of
from helpers.real_qemu import BINARY

OWN = ["-S", "-incoming", "defer", "-qmp", "unix:/s/qmp,server=on,wait=off"]


def made(*words: str, more: tuple[str, ...] = ()) -> list[str]:
    """The words of a command line made anew, without the program and without what is always there."""
    line = again(["qemu", *words], more, "/s/qmp")
    assert line[0] == "qemu"
    assert line[-len(OWN) :] == OWN
    return line[1 : -len(OWN)]


def test_options_without_an_argument_are_those_that_qemu_lists() -> None:
    """Its help sets a description behind at least two blanks, and an argument behind one."""
    if shutil.which(BINARY) is None:
        pytest.skip(f"{BINARY} is not installed")
    text = subprocess.run([BINARY, "-help"], check=True, capture_output=True, text=True).stdout
    rows = re.findall(r"^--?([\w-]+)(?: or -([\w-]+))?( +[\[<\w].*|\s*)$", text, re.MULTILINE)
    assert len(rows) > 60
    for name, other, rest in rows:
        alone = rest.startswith("  ") or not rest.strip()
        if name not in ("dtb", "async-teardown"):  # whose lines are set otherwise
            assert [bool(ALONE.fullmatch(each)) for each in (name, other or name)] == [alone, alone], name


@contextmanager
def process(*words: str | bytes) -> Iterator[int]:
    """A process that runs Python with these words behind; its id."""
    with subprocess.Popen(
        [sys.executable, "-c", WAIT, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        assert started.stdout is not None
        started.stdout.readline()
        try:
            yield started.pid
        finally:
            started.kill()


WAIT = "print(flush=True); input()"


def test_a_running_process_is_asked() -> None:
    """Its words come back, empty ones too; nobody tells those of a process that is not there, or not text."""
    words = ["", "a b", "\u00e4'\"", "-S"]
    with process(*words) as pid:
        assert words_of(taken(pid)) == [sys.executable, "-c", WAIT, *words]
    with process(b"\xff") as pid:
        assert taken(pid) is None
    assert taken(0) is None


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1), min_size=1))
def test_words_come_back(words: list[str]) -> None:
    """Whatever stands in them."""
    assert words_of(json.dumps(words)) == words


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "{}", "[]", "3", '["qemu", 3]', '["qemu", "a\\u0000"]', '["qemu", "\\ud800"]', "[" * 100_000),
        json.dumps(["qemu", "x" * LIMIT]),
        json.dumps(["q"] * 20_000),
    ],
)
def test_what_is_no_list_of_words(text: str) -> None:
    """It is refused, whatever it is."""
    with pytest.raises(UsageError, match="the image's command line is no list of arguments; got"):
        words_of(text)


def test_nothing_to_start() -> None:
    """An image without a command line, or without a program in it, is refused; what to do is said."""
    with pytest.raises(UsageError, match=r"(?s)keeps no command line of QEMU.*-incoming defer"):
        words_of(None)
    with pytest.raises(UsageError, match="names no program"):
        words_of('["", "-m"]')


def test_arguments_are_taken_apart_as_qemu_does() -> None:
    """One dash or two; a word by itself is a disk; an option at the end may lack its argument."""
    found = [argument.words for argument in arguments_of(["-m", "16", "--S", "disk.img", "-name", "-S", "-s", "-cpu"])]
    assert found == [("-m", "16"), ("--S",), ("disk.img",), ("-name", "-S"), ("-s",), ("-cpu",)]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["-m", "16", "-S", "d.img"], ["-m", "16", "d.img"]),
        (["--daemonize", "-pidfile", "p", "-incoming", "tcp::4444", "-name", "-S"], ["-name", "-S"]),
        (["-qmp", "unix:a", "-qmp-pretty", "stdio", "-monitor", "none", "-loadvm", "x", "-usb"], ["-usb"]),
        (["-chardev", "socket,id=m,fd=28", "-mon", "chardev=m,id=x,mode=control", "-vga", "std"], ["-vga", "std"]),
        (["-chardev", "stdio,id=m,mux=on", "-mon", "m", "-serial", "chardev:m"], None),
        (["-chardev", "stdio,id=m", "-mon", "chardev=m", "-device", '{"driver":"isa-serial","chardev":"m"}'], None),
        (["-chardev", "stdio,id=mm", "-mon", "chardev=m", "-serial", "chardev:mm"], None),
        (["-mon", ""], []),
    ],
)
def test_what_tells_how_qemu_is_spoken_to_is_left_out(words: list[str], left: list[str] | None) -> None:
    """With the character devices that serve a monitor only; None: all but the monitor stays."""
    at = words.index("-mon") if left is None else 0
    assert made(*words) == (left if left is not None else words[:at] + words[at + 2 :])


def test_more_words_stand_behind() -> None:
    """They are taken as they are, and change what stands before."""
    assert made("-m", "16", more=("-m", "32")) == ["-m", "16", "-m", "32"]


@pytest.mark.parametrize(
    "words",
    [
        ["-netdev", "tap,id=n,fd=33"],
        ["-netdev", "tap,id=n,fds=33:34,vhost=on"],
        ["-netdev", "tap,id=n,ifname=t,vhostfd=33"],
        ["-netdev", '{"type":"tap","fd":"33","id":"n"}'],
        ["-add-fd", "fd=3,set=1"],
        ["-blockdev", "driver=file,filename=/dev/fdset/1,node-name=a"],
        ["-chardev", "socket,id=c,fd=9"],
    ],
)
def test_descriptors_cannot_be_given_again(words: list[str]) -> None:
    """They are refused by name, with what to do."""
    with pytest.raises(UsageError, match=r"(?s)a file descriptor .* cannot be given again; got -.*qmp:SOCKET"):
        made(*words)


@pytest.mark.parametrize("words", [["-append", "fd=3"], ["-object", "memory-backend-memfd,id=m,size=1M"]])
def test_what_only_looks_like_a_descriptor(words: list[str]) -> None:
    """Words of the guest's, and names that end so."""
    assert made(*words) == words


@pytest.mark.parametrize("words", [["-snapshot"], ["-drive", "file=d,snapshot=on"]])
def test_temporary_disks_are_gone(words: list[str]) -> None:
    """A machine that wrote to them is refused."""
    with pytest.raises(UsageError, match="what QEMU wrote to temporary disks is gone; got -"):
        made(*words)


def test_every_option_that_is_left_out_is_taken_apart_rightly() -> None:
    """No option is both without an argument and left out with one."""
    assert [name for name in ("S", "daemonize", "preconfig") if DROPPED.fullmatch(name) and ALONE.fullmatch(name)]
    assert not ALONE.fullmatch("incoming")
