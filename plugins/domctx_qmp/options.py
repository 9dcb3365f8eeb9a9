"""The options of ``qmp:`` about disks, what happens after a save, and a QEMU that is started; only declared."""

from __future__ import annotations

from typing import Final

from domctx.api import Option, Role

CONTINUE: Final = "continue"
STOP: Final = "stop"
QUIT: Final = "quit"

NOTE: Final = "note"
OVERLAY: Final = "overlay"
NONE: Final = "none"

START_YES: Final = "yes"
START_NO: Final = "no"
AS_SAVED: Final = "as-saved"

THEN: Final = Option(
    "then",
    str,
    "after a save the guest goes on as it was found, stays stopped, or QEMU quits once the image is safe",
    CONTINUE,
    choices=(CONTINUE, STOP, QUIT),
    alias="then",
    role=Role.SOURCE,
)
DISKS: Final = Option(
    "disks",
    str,
    "writable disks: note which files they are, give each an overlay so that they stay as saved, or none of it",
    NOTE,
    choices=(NOTE, OVERLAY, NONE),
    alias="disks",
    role=Role.SOURCE,
)
START: Final = Option(
    "start",
    str,
    "whether a loaded guest runs: by default as it was found when it was saved",
    AS_SAVED,
    choices=(START_YES, START_NO, AS_SAVED),
    alias="start",
    role=Role.GOAL,
)
FORCE_DISKS: Final = Option(
    "force-disks", bool, "load over disks that changed since the save", False, alias="force-disks", role=Role.GOAL
)
RUN: Final = Option(
    "run", bool, "start QEMU with the command line kept in the image", False, alias="run", role=Role.GOAL
)
QEMU_ARG: Final = Option(
    "qemu-arg",
    str,
    "one more argument for a QEMU that is started, behind the others",
    alias="qemu-arg",
    role=Role.GOAL,
    multiple=True,
)
TRUST: Final = Option(
    "trust-command-line",
    bool,
    "start what the image says without asking",
    False,
    alias="trust-command-line",
    role=Role.GOAL,
)

OPTIONS: Final = (THEN, DISKS, START, FORCE_DISKS, RUN, QEMU_ARG, TRUST)
