"""The formats and the providers, as the core calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

import domctx_qemu_stream
from domctx.context import OpenContext, Operation
from domctx.states import VCPUS
from domctx_qemu_stream import plugin
from domctx_qemu_stream.domain import open_domain
from domctx_x86.states import REGISTERS
from helpers import qemu_streams as qs


def test_what_is_registered() -> None:
    """One scheme, and two derived states."""
    assert [format_.scheme for format_ in plugin.domctx_formats()] == ["qemu"]
    providers = [(provider.key, provider.owned) for provider in plugin.domctx_state_providers()]
    assert providers == [(VCPUS, False), (REGISTERS, False)]


def test_a_file_is_opened_and_covered(tmp_path: Path) -> None:
    """Opening gives the domain; what no check covers is said of the stream, and of a domain that is none."""
    path = qs.written(tmp_path, qs.plain())
    domain = plugin.open_(str(path), OpenContext(Operation(), plugin.OPTIONS, {}))
    covered = {part.part: part.check for part in plugin.coverage(domain)}
    assert covered["ends of sections"] == "section footers"
    assert covered["contents of pages and device sections"] == ""
    assert plugin.vcpus(domain) is None
    assert plugin.registers(domain) is None
    domain.close()


def test_the_package_gives_its_names_when_they_are_asked_for() -> None:
    """The domain is imported on demand; there is no other name."""
    assert domctx_qemu_stream.open_domain is open_domain
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = domctx_qemu_stream.nothing
