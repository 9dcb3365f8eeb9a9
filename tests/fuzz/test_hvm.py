"""HVM contexts and what Xen keeps of vCPUs against mutated input."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable

import pytest

from domctx.states import VcpuContext
from domctx_cpu.contexts import decode_whole, join, split
from domctx_cpu.part_fields import extended, msrs, xsave
from domctx_cpu.show_registers import described
from domctx_cpu.xen_registers import DECODERS, Beside
from domctx_hvm.compare import compare
from domctx_hvm.registers import HvmRegisters
from domctx_hvm.rules import check_image
from domctx_hvm.show import shown
from helpers.fuzzing import mutations, survives
from helpers.hvm_golden import STEMS, golden
from helpers.hvm_states import HEADER, entry, image

LIMIT = 512 << 20
"""Octets of peak memory that no target may pass, the interpreter and every library included."""


@pytest.fixture(scope="module")
def seconds(request: pytest.FixtureRequest) -> float:
    """How long each target runs."""
    return float(request.config.getoption("--fuzz-seconds"))


def fuzz(target: Callable[[bytes], object], seeds: list[bytes], seconds: float) -> None:
    """Run a target over mutations of good inputs, each of which it accepts as it is."""
    assert all(survives(target, seed) for seed in seeds)
    runs = sum(1 for octets in mutations(seeds, seconds) if survives(target, octets) in (True, False))
    assert runs > 0


def hvm_images() -> list[bytes]:
    """An image of every golden entry, and one of a single vCPU."""
    found = [golden(stem) for stem in STEMS]
    entries = [entry(each.typecode, each.body, each.instance) for each in found if each.typecode > 1]
    return [image(*entries), image(entry(2, golden("cpu").body))]


def use_image(octets: bytes) -> None:
    """Show an image, compare it, ask for its registers."""
    json.dumps(shown(octets), allow_nan=False)
    assert list(compare(octets, octets)) == []
    list(compare(octets, HEADER + struct.pack("<HHI", 0, 0, 0)))
    for registers in HvmRegisters(octets).vcpus.values():
        json.dumps(described(registers), allow_nan=False)


def use_context(abi: str, octets: bytes) -> None:
    """Split a context, join it, ask for its registers."""
    context = VcpuContext(abi, octets)
    assert join(*split(context)) == context
    json.dumps(described(DECODERS[abi](decode_whole(context), Beside(octets[:900], octets[:64]))), allow_nan=False)


def test_hvm_contexts(seconds: float) -> None:
    """Mutated HVM contexts are refused, or shown, compared and asked for registers."""
    fuzz(use_image, hvm_images(), seconds)


def test_the_rules_of_hvm_contexts(seconds: float) -> None:
    """Mutated HVM contexts are refused by Xen's rules, or taken."""
    fuzz(check_image, [image(entry(3, bytes(8)), entry(5, bytes(24)), entry(16, bytes(24)))], seconds)


@pytest.mark.parametrize(("abi", "size"), [("xen-x86_64", 5168), ("xen-x86_32", 2800), ("xen-2004-i386", 2516)])
def test_vcpu_contexts(abi: str, size: int, seconds: float) -> None:
    """Mutated vCPU contexts are refused, or split, joined and asked for registers."""
    fuzz(lambda octets: use_context(abi, octets), [bytes(size)], seconds)


@pytest.mark.parametrize("fields", [extended, xsave, msrs], ids=lambda fields: fields.__name__)
def test_vcpu_parts(fields: Callable[[bytes], object], seconds: float) -> None:
    """Mutated parts of vCPUs are shown, whatever they are."""
    fuzz(lambda octets: json.dumps(fields(octets), allow_nan=False), [bytes(64), bytes(16 + 576 + 256)], seconds)
