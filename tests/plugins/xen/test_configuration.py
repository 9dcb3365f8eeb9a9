"""xl's configuration, whatever it may hold."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from domctx_xen.configuration import Configuration, parse
from helpers.xen_streams import UUID, config


def test_name_uuid_and_vcpus() -> None:
    """As libxl writes them, with or without the NUL behind."""
    expected = Configuration("toy", UUID, (0, 2))
    assert parse(config(available=(2, 0))) == parse(config(available=(2, 0))[:-1]) == expected


@pytest.mark.parametrize(
    "octets",
    [b"{}", b"[]", b"3", b'{"c_info": 3, "b_info": []}', b'{"c_info": {"name": 3, "uuid": []}}', b'{"b_info": {}}'],
)
def test_what_is_missing_or_of_another_kind_is_left_out(octets: bytes) -> None:
    """Nothing of it is believed, and nothing of it is wrong."""
    assert parse(octets) == Configuration()


@pytest.mark.parametrize("octets", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_a_problem(octets: bytes) -> None:
    """It is told what is wrong."""
    assert parse(octets).problem


def test_vcpus_are_bounded() -> None:
    """Numbers that no vCPU can have are not believed."""
    assert parse(b'{"b_info": {"avail_vcpus": [1, -1, true, 1e9, 99999999, "2", 0]}}').available == (0, 1)


@given(st.binary(max_size=64))
def test_anything_is_taken(octets: bytes) -> None:
    """No octets raise anything."""
    parse(octets)
