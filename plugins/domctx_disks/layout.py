"""The body of a DISKS record: one item of canonical CBOR."""

from typing import Annotated, Any, Final

from domctx.schema import Cbor, layout
from domctx.values import frozen

NAME: Final = "DISKS"


@layout(source="domctx, docs: record DISKS")
@frozen
class DisksBody:
    """Body of DISKS.

    ``value`` is a dict. "moved_on": whether the guest went on and wrote to the files that are noted. "disks": list of
    [name, format, overlay or None, files]; files is a list of files, and a file (an overlay too) is [path, size or
    None, mtime or None]: size in octets, mtime in nanoseconds since 1970.
    """

    value: Annotated[Any, Cbor("moved_on, disks")]
