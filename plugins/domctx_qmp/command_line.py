"""QEMU's command line: taken while a machine is saved, and made anew for one that is loaded.

It is kept as a JSON list of the arguments, the program first, so that nothing has to be quoted or guessed. Relative
names in it count from the folder in which QEMU is started.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from domctx.errors import UsageError
from domctx.values import frozen

LIMIT: Final = 1 << 18
"""Octets of a command line."""
MAX_ARGUMENTS: Final = 16384

BY_HAND: Final = "start QEMU yourself with -incoming defer, and load into its socket: qmp:SOCKET"

ALONE: Final = re.compile(
    "h|help|version|mem-prealloc|audio-help|snapshot|usb|nographic|portrait|full-screen|win2k-hack|no-fd-bootchk"
    "|no-acpi|no-hpet|singlestep|preconfig|S|s|enable-kvm|xen-attach|xen-domid-restrict|no-reboot|no-shutdown"
    "|daemonize|only-migratable|nodefaults|no-user-config|enable-sync-profile|async-teardown|semihosting|old-param"
    "|enable-fips|no-kvm|nodefconfig|tdf|alt-grab|ctrl-grab|no-frame|no-quit|curses|sdl|rtc-td-hack|no-kvm-irqchip"
    "|no-kvm-pit|no-kvm-pit-reinjection|show-cursor"
)
"""QEMU's options that take no argument, of all its versions."""
DROPPED: Final = re.compile("S|daemonize|preconfig|incoming|monitor|qmp|qmp-pretty|pidfile|loadvm|mon")
"""What tells how QEMU is started and spoken to, not which machine it is: a QEMU that is started has its own."""
WORDS: Final = re.compile("append|kernel|initrd|name|smbios|fw_cfg")
"""Options whose arguments are texts of the guest's, or of names."""
DESCRIPTOR: Final = re.compile(r'(?:^|[,{\s"])(?:vhost|sock_?)?fds?"?\s*[=:]|/dev/fdset/')
"""An argument that names a file descriptor which QEMU was given when it was started."""
TEMPORARY: Final = re.compile(r'(?:^|[,{\s"])snapshot"?\s*[=:]\s*(?:on|yes|true)\b')
CHARDEV: Final = re.compile(r"(?:^|,)chardev=([^,]+)|^([^,=]+)(?:,|$)")
IDENTITY: Final = re.compile(r"(?:^|,)id=([^,]+)")


@frozen
class Argument:
    """An option with what follows it, or (``name`` "") a disk image that stands alone."""

    name: str
    words: tuple[str, ...]

    @property
    def value(self) -> str:
        """What follows the option; "" where nothing does."""
        return self.words[1] if len(self.words) > 1 else ""


def taken(pid: int) -> str | None:
    """The command line of a running QEMU as it is kept; None where nobody tells it."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            octets = file.read(LIMIT + 1)
        words = octets.decode().split("\0")[:-1]
    except (OSError, UnicodeDecodeError):
        return None
    return json.dumps(words, ensure_ascii=False) if words and len(octets) <= LIMIT else None


def words_of(text: str | None) -> list[str]:
    """The arguments, the program first. Raises UsageError where there are none that a program can be started with."""
    if text is None:
        raise UsageError("the image keeps no command line of QEMU", hint=BY_HAND)
    try:
        words = json.loads(text) if len(text) <= LIMIT else None
    except (ValueError, RecursionError):
        words = None
    if not isinstance(words, list) or not 0 < len(words) <= MAX_ARGUMENTS or not all(map(_is_word, words)):
        raise UsageError("the image's command line is no list of arguments", got=repr(text[:80]))
    if not words[0]:
        raise UsageError("the image's command line names no program")
    return words


def _is_word(word: object) -> bool:
    return isinstance(word, str) and "\0" not in word and not any("\ud800" <= char <= "\udfff" for char in word)


def arguments_of(words: Sequence[str]) -> Iterator[Argument]:
    """The arguments behind the program, as QEMU takes them apart: an option may begin with one dash or with two."""
    rest = iter(words)
    for word in rest:
        name = _name(word)
        if not name or ALONE.fullmatch(name):
            yield Argument(name, (word,))
        else:
            yield Argument(name, (word, *(value for value in (next(rest, None),) if value is not None)))


def _name(word: str) -> str:
    return word.removeprefix("-").removeprefix("-") if word.startswith("-") else ""


def again(words: Sequence[str], more: Sequence[str], socket: str) -> list[str]:
    """The command line that starts the same machine, waiting for its state, with a monitor at ``socket``.

    ``more`` are words that stand behind those of the image. Raises UsageError for what cannot be started again.
    """
    arguments = list(arguments_of(words[1:]))
    monitors = {name for argument in arguments if argument.name == "mon" for name in _chardev(argument.value)}
    used = {name for argument in arguments if argument.name != "mon" for name in monitors if _uses(argument, name)}
    kept = [argument for argument in arguments if not _is_dropped(argument, monitors - used)]
    for argument in kept:
        _refuse_once_only(argument)
    own = ("-S", "-incoming", "defer", "-qmp", f"unix:{socket},server=on,wait=off")
    return [words[0], *(word for argument in kept for word in argument.words), *more, *own]


def _is_dropped(argument: Argument, monitors: set[str]) -> bool:
    """``monitors`` are the character devices that serve nothing but a monitor."""
    if argument.name == "chardev":
        return any(found in monitors for found in IDENTITY.findall(argument.value))
    return DROPPED.fullmatch(argument.name) is not None


def _chardev(value: str) -> list[str]:
    found = CHARDEV.search(value)
    return [found[1] or found[2]] if found else []


def _uses(argument: Argument, name: str) -> bool:
    """Whether anything but a monitor is connected with a character device."""
    return re.search(rf"chardev\"?\s*[:=]\s*\"?{re.escape(name)}(?![\w.-])", argument.value) is not None


def _refuse_once_only(argument: Argument) -> None:
    shown = " ".join(argument.words)[:200]
    if not WORDS.fullmatch(argument.name) and DESCRIPTOR.search(argument.value):
        raise UsageError("a file descriptor that QEMU was given cannot be given again", got=shown, hint=BY_HAND)
    if argument.name == "snapshot" or (argument.name == "drive" and TEMPORARY.search(argument.value)):
        raise UsageError("what QEMU wrote to temporary disks is gone", got=shown, hint=BY_HAND)
