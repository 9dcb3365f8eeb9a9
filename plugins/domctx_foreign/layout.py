"""The body of FOREIGN_HEAD and FOREIGN_TAIL records (DESIGN.md section 4)."""

from typing import Annotated

from domctx.schema import U64, Blob, Text, layout
from domctx.values import frozen


@layout(source="DESIGN.md section 4: FOREIGN_HEAD, FOREIGN_TAIL")
@frozen
class ForeignBody:
    """One part of a source format that no other record holds."""

    format: Annotated[str, Text(32, "the scheme of the source format: lgr, qemu, libvirt, ...")]
    name: Annotated[str, Text(224, "what the part is called there")]
    size: Annotated[int, U64("length of the part", unit="octets")]
    octets: Annotated[bytes, Blob("the part's own octets, as they stood in the source")]
