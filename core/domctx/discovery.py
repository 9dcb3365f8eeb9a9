"""Finding plugins without importing anything: entry points of the group ``domctx.v1`` in ``*.dist-info`` folders.

``importlib.metadata`` alone costs as much as the whole of ``domctx --version``; a scan of ``sys.path`` for folders
with an ``entry_points.txt`` takes less than a millisecond and needs no cache that could go stale.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

import attrs

from domctx.hookspecs import GROUP

BUNDLED = "domctx"
"""The distribution whose plugins are the bundled ones."""


@attrs.frozen(order=True)
class EntryPoint:
    """One entry point of our group: where it comes from, and the ``module[:attribute]`` that it names."""

    distribution: str
    entry: str
    target: str
    version: str

    @property
    def name(self) -> str:
        """How messages and ``DOMCTX_DISABLE_PLUGINS`` name it: ``distribution:entry``."""
        return f"{self.distribution}:{self.entry}"


def entry_points(paths: Iterable[str]) -> list[EntryPoint]:
    """Every entry point of our group on ``paths`` (``sys.path``), sorted; the first of a distribution wins."""
    found: dict[str, list[EntryPoint]] = {}
    for path in paths:
        for distribution, version, folder in _distributions(path or "."):
            if distribution not in found:
                found[distribution] = list(_entries(distribution, version, folder))
    return sorted(entry for entries in found.values() for entry in entries)


def _distributions(path: str) -> Iterator[tuple[str, str, str]]:
    """(name, version, folder) of each ``*.dist-info`` in ``path`` that has entry points of ours, sorted by name."""
    try:
        with os.scandir(path) as entries:
            folders = sorted(entry.path for entry in entries if entry.name.endswith(".dist-info"))
    except OSError:  # sys.path lists folders that do not exist, and zip files
        return
    for folder in folders:
        name, _, version = os.path.basename(folder)[: -len(".dist-info")].partition("-")
        yield normalised(name), version, folder


def normalised(name: str) -> str:
    """The name of a distribution as pip compares it: ``Acme_TPM`` is ``acme-tpm``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _entries(distribution: str, version: str, folder: str) -> Iterator[EntryPoint]:
    try:
        with open(os.path.join(folder, "entry_points.txt"), encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError):  # most distributions have none
        return
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and "=" in line and not line.startswith("#"):
            entry, _, target = line.partition("=")
            yield EntryPoint(distribution, entry.strip(), target.partition("[")[0].strip(), version)
