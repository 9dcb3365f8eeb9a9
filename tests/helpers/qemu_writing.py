"""Streams written anew: by the writer directly, and through an image by the commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from domctx.api import Domain
from domctx.context import OpenContext, Operation
from domctx.sinks import BytesSink
from domctx_qemu_stream.plugin import domctx_formats
from domctx_qemu_stream.writer import write
from helpers.qemu_corpus import opened


def context_of(scheme: str, *given: str) -> OpenContext:
    """What a format is lent."""
    from domctx import options

    (format_,) = (each for each in domctx_formats() if each.scheme == scheme)
    return OpenContext(Operation(given), format_.options, options.select(given, format_.options))


def octets_of(domain: Domain) -> bytes:
    """The stream of a domain."""
    sink = BytesSink()
    write(domain, sink, context_of("qemu"))
    return bytes(sink.octets)


def rewritten(octets: bytes, folder: Path) -> bytes:
    """A stream, read and written anew."""
    path = folder / "rewritten.mig"
    path.write_bytes(octets)
    domain = opened(path)
    try:
        return octets_of(domain)
    finally:
        domain.close()


def through_an_image(source: Path, goal: Path, *given: str) -> Path:
    """``source`` converted to an image, and the image to the stream ``goal``."""
    image = goal.with_suffix(".dctx")
    options = [part for each in given for part in ("-O", each)]
    domctx("convert", str(source), str(image), *options)
    domctx("convert", str(image), f"qemu:{goal}")
    return goal


def domctx(*arguments: str, expect: int = 0) -> str:
    """Run a command; what it printed, notes and all. Its exit code is as expected."""
    line = [sys.executable, "-m", "domctx.cli.main", *arguments]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == expect, done.stderr
    return done.stdout + done.stderr
