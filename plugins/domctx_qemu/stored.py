"""Device sections in memory: of an opened image, of a file, of a test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domctx.states import DeviceSection


class StoredDevices:
    """DEVICES that keeps what was stored, in order."""

    def __init__(self, sections: Iterable[DeviceSection] = ()) -> None:
        self._sections = list(sections)

    @property
    def sections(self) -> Sequence[DeviceSection]:
        """All sections, in the order in which they were stored."""
        return tuple(self._sections)

    def store(self, section: DeviceSection) -> None:
        """Append one section."""
        self._sections.append(section)
