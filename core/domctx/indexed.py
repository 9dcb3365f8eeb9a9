"""The records of one type in an opened image, read at random."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

from domctx.api import RecordType
from domctx.errors import RecordError
from domctx.files import RandomFile
from domctx.made import MadeSequence
from domctx.records import decode_body
from domctx.wire import HEADER, Header, record_name


class FileRecord:
    """An IndexedRecord: one record of an opened image, read at random."""

    def __init__(self, file: RandomFile, header: Header, offset: int, record_type: RecordType, version: int) -> None:
        self.file = file.name
        self.instance = header.instance
        self.length = header.length
        self.offset = offset
        self.version = version
        self._file = file
        self._type = record_type

    def read(self, start: int = 0, size: int | None = None) -> memoryview:
        """Octets ``start`` .. ``start + size`` of the body. Raises RecordError outside of it."""
        size = self.length - start if size is None else size
        if not 0 <= start <= start + size <= self.length:
            raise self.error("the body is read outside its bounds", expected=f"0..{self.length}", got=start + size)
        octets = self._file.read(self.offset + HEADER.size + start, size)
        if len(octets) < size:
            raise self.error("the file has become shorter", expected=f"{size} octets", got=len(octets))
        return memoryview(octets)

    def decode(self) -> Any:
        """The whole body as an object of the type's body class."""
        return decode_body(self._type, self.read(), self.version, self.offset, self.instance)

    def error(self, message: str, **details: Any) -> RecordError:
        """A RecordError that names this record, its file and offset."""
        name = record_name(self._type.name, self.instance)
        return RecordError(message, file=self.file, offset=self.offset, record=name, **details)


class FileRecords(MadeSequence[FileRecord]):
    """The records of one type in an opened image, in stream order; each is made when it is asked for.

    Twenty octets for each are kept: an image of 1 TiB of memory has a quarter of a million.
    """

    def __init__(
        self, file: RandomFile, record_type: RecordType, version: int, places: Iterable[tuple[Header, int]]
    ) -> None:
        self._file, self._type, self._version = file, record_type, version
        self._instances, self._lengths, self._offsets = array("I"), array("Q"), array("Q")
        for header, offset in places:
            self._instances.append(header.instance)
            self._lengths.append(header.length)
            self._offsets.append(offset)

    def __len__(self) -> int:
        return len(self._offsets)

    def _made(self, place: int) -> FileRecord:
        header = Header(self._type.code, self._instances[place], self._lengths[place])
        return FileRecord(self._file, header, self._offsets[place], self._type, self._version)
