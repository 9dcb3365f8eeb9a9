"""The octets of a snapshot of Acme's hypervisor."""

from __future__ import annotations

from typing import Annotated, Final

import attrs

from domctx.schema import U32, Bytes, Text, layout

END: Final = b"ACME"
PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 1 << PAGE_SHIFT
MAX_VCPUS: Final = 256
"""vCPUs that a machine of ours has at most."""


@layout(source="the hypervisor's own header file, snapshot.h of Acme VMM 1.0")
@attrs.frozen
class Head:
    """The head of a snapshot, 64 octets. Behind it stand the pages that are not zero, then their runs, then a Tail."""

    magic: Annotated[bytes, Bytes(8, "ACMEVMM1")]
    pages: Annotated[int, U32("the machine's memory", unit="pages of 4096 octets")]
    vcpus: Annotated[int, U32("how many vCPUs the machine has", unit="vCPUs")]
    name: Annotated[str, Text(48, "the machine's name")]


@layout(source="the hypervisor's own header file, snapshot.h of Acme VMM 1.0")
@attrs.frozen
class Run:
    """Pages that stand in the snapshot, one behind the other; runs ascend and do not touch."""

    first: Annotated[int, U32("the first page", unit="pages")]
    count: Annotated[int, U32("how many pages", unit="pages")]


@layout(source="the hypervisor's own header file, snapshot.h of Acme VMM 1.0")
@attrs.frozen
class Tail:
    """The last 8 octets of a snapshot."""

    runs: Annotated[int, U32("how many runs stand before the tail", unit="runs")]
    magic: Annotated[bytes, Bytes(4, "ACME")]
