"""docs/live-qemu.md: its options are those that there are."""

from __future__ import annotations

import re
from pathlib import Path

from domctx_qmp.command_line import DROPPED
from domctx_qmp.plugin import domctx_formats

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "live-qemu.md").read_text()


def test_every_option_stands_there_and_no_other() -> None:
    """Plain names, and the choices of those that have any."""
    (format_,) = domctx_formats()
    options = {option.alias: option for option in format_.options if option.alias is not None}
    assert set(re.findall(r"`--([a-z-]+)", PAGE)) == options.keys()
    for name, option in options.items():
        rows = "".join(re.findall(rf"^\| `--{name}\b.*", PAGE, re.MULTILINE))
        assert set(option.choices) <= set(re.findall(r"`(?:--\S+ )?([a-z-]+)`", rows)), name


def test_what_is_left_out_of_a_command_line() -> None:
    """The words in the page are those of the pattern."""
    (listed,) = re.findall(r"is left out \((.*?)\)", " ".join(PAGE.split()))
    assert set(re.findall(r"`-(\S+)`", listed)) == set(DROPPED.pattern.split("|"))
