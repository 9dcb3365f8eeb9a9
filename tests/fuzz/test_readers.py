"""Every reader against mutated input: what it refuses it refuses with a DomctxError, in bounded memory."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from domctx.cli.session import Session
from domctx.context import Operation
from domctx.image import open_image
from domctx.image_domain import ImageDomain
from domctx.registry import Registry
from domctx.save import save
from domctx.show import show
from domctx.sinks import CountingSink
from domctx.sources import BytesSource
from domctx.states import MEMORY
from domctx.verify import Checker
from domctx.walk import Walk
from domctx.wire import START_BODY, pack_header
from helpers import lgr_files
from helpers.fuzzing import mutations, survives
from helpers.whole_machine import image_of, registry, states

LIMIT = 768 << 20
"""Octets of peak memory that no run may pass, the interpreter and every library included."""


@pytest.fixture(scope="module")
def seconds(request: pytest.FixtureRequest) -> float:
    """How long each target runs."""
    return float(request.config.getoption("--fuzz-seconds"))


@pytest.fixture(scope="module")
def plugins() -> Registry:
    """The bundled state plugins."""
    return registry()


def fuzz(target: Callable[[bytes], object], seeds: list[bytes], seconds: float) -> None:
    """Run a target over mutations of good inputs, each of which it accepts as it is."""
    assert all(survives(target, seed) for seed in seeds)
    runs = sum(1 for octets in mutations(seeds, seconds) if survives(target, octets) in (True, False))
    assert runs > 0


def small_image() -> bytes:
    """An image of every state but memory."""
    found = states()
    del found[MEMORY]
    return image_of(found)


def plain_image() -> bytes:
    """A plain v10 image: START, TSC_INFO, END."""
    start = pack_header(1, 0, START_BODY.size) + START_BODY.pack(4, 15)
    return start + pack_header(3, 0, 20) + bytes(20) + bytes(4) + bytes(16)


def test_stream(plugins: Registry, seconds: float) -> None:
    """A stream of records, mutated anywhere, is decoded or refused."""

    def target(octets: bytes) -> None:
        with Operation() as operation:
            Walk(BytesSource(octets), plugins, operation).into(Checker(plugins, operation))

    fuzz(target, [small_image(), plain_image()], seconds)


def test_bodies(plugins: Registry, seconds: float) -> None:
    """A stream whose digests nobody checks lets mutated bodies through to every decoder; they decode or refuse."""

    def target(octets: bytes) -> None:
        with Operation() as operation:
            Walk(BytesSource(octets), plugins, operation, digests=False).into(Checker(plugins, operation))

    fuzz(target, [small_image(), image_of(states()), plain_image()], seconds)


def test_image(plugins: Registry, seconds: float, tmp_path: Path) -> None:
    """An image file, mutated anywhere, is opened and shown record by record, or refused."""
    path = tmp_path / "mutated.dctx"

    def target(octets: bytes) -> None:
        path.write_bytes(octets)
        domain = ImageDomain(open_image(str(path)), plugins)
        try:
            for _ in show(domain):
                pass
        finally:
            domain.close()

    fuzz(target, [small_image(), image_of(states())], seconds)


def lgr_seeds() -> list[bytes]:
    """A file of each variant, plain and packed."""
    guest = lgr_files.make_guest(8)
    makers = (lgr_files.a0, lgr_files.a1, lgr_files.a3, lgr_files.b, lgr_files.c1, lgr_files.c2)
    files = [make(guest) for make in makers]
    return [*files, gzip.compress(files[2]), gzip.compress(files[4])]


def test_lgr(plugins: Registry, seconds: float, tmp_path: Path) -> None:
    """A LinuxGuestRecord of any variant, mutated anywhere, is read to its last page, or refused."""
    path = tmp_path / "mutated.lgr"
    session = Session()

    def target(octets: bytes) -> None:
        path.write_bytes(octets)
        try:
            save(session.open(f"lgr:{path}"), CountingSink(), session.registry)
        finally:
            session.close()  # a session keeps what it opened to its end

    fuzz(target, lgr_seeds(), seconds)
