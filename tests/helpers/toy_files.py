"""Toy images in files, opened."""

from __future__ import annotations

from pathlib import Path

from domctx.context import Operation
from domctx.image import Image, open_image
from domctx.image_domain import ImageDomain
from domctx.registry import Registry


def opened(folder: Path, octets: bytes, name: str = "image.dctx", *, allow_newer: bool = False) -> Image:
    """An image in a file of ``folder``."""
    path = folder / name
    path.write_bytes(octets)
    return open_image(str(path), allow_newer=allow_newer)


def domain_of(folder: Path, octets: bytes, registry: Registry, operation: Operation | None = None) -> ImageDomain:
    """The same as a Domain."""
    return ImageDomain(opened(folder, octets), registry, operation)
