"""The body of Xen's TSC_INFO record (formats/xen.md 2.2)."""

import enum
from typing import Annotated, Final

from domctx.schema import U32, U64, layout
from domctx.values import frozen

POSTED_TAIL: Final = 4
"""Zero octets that the posted saver wrote behind the body: sizeof() of the C structure on x86-64 is 24, not 20."""


class TscMode(enum.IntEnum):
    """How the TSC is presented to the guest."""

    DEFAULT = 0
    """Emulated if needed."""
    ALWAYS_EMULATE = 1
    NEVER_EMULATE = 2


@layout(source="formats/xen.md 2.2: TSC_INFO")
@frozen
class TscInfo:
    """The body of a TSC_INFO record: 20 octets."""

    mode: Annotated[int, U32("how the TSC is presented to the guest", names=TscMode)]
    khz: Annotated[int, U32("the guest's TSC frequency", unit="kHz")]
    nsec: Annotated[int, U64("guest time that has elapsed", unit="ns")]
    incarnation: Annotated[int, U32("how often the state was set")]
