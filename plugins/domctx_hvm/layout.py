"""The framing of Xen's HVM save image, and the body of HVM_PARAMS. All integers are little-endian.

Source: formats/xen.md 3.1 and 4.2.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from domctx.schema import U16, U32, U64, Blob, Reserved, layout
from domctx.values import frozen

MAX_IMAGE: Final = 4 << 20
"""Octets of the largest HVM save image: some 6 KiB for each vCPU, of which there are 128 at most."""

MAX_ENTRIES: Final = 1 << 14
"""Entries of the longest HVM save image: eleven for each vCPU, and some more."""

MAX_PARAMS: Final = 1 << 10
"""Parameters that a record lists at most; Xen has 39."""

END, HEADER = 0, 1
"""The type codes of the last and of the first entry."""

FILE_MAGIC: Final = 0x5438_1286
FILE_VERSION: Final = 1

PARAM_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "STORE_PFN",
        5: "IOREQ_PFN",
        6: "BUFIOREQ_PFN",
        9: "VIRIDIAN",
        12: "IDENT_PT",
        15: "VM86_TSS",
        17: "CONSOLE_PFN",
        19: "ACPI_IOPORTS_LOCATION",
        27: "PAGING_RING_PFN",
        28: "MONITOR_RING_PFN",
        29: "SHARING_RING_PFN",
        32: "IOREQ_SERVER_PFN",
        33: "NR_IOREQ_SERVER_PAGES",
        34: "VM_GENERATION_ID_ADDR",
        36: "X87_FIP_WIDTH",
        37: "VM86_TSS_SIZED",
        38: "MCA_CAP",
    }
)
"""The parameters that savers send, by index (formats/xen.md 4.2)."""


@layout(source="formats/xen.md 3.1: descriptor")
@frozen
class Descriptor:
    """The head of an entry; its body follows at once."""

    typecode: Annotated[int, U16("what the entry holds")]
    instance: Annotated[int, U16("the vCPU, or the unit of a device")]
    length: Annotated[int, U32("length of the body", unit="octets")]


@layout(source="formats/xen.md 3.1: HEADER")
@frozen
class Header:
    """The first entry: who saved the image."""

    magic: Annotated[int, U32("0x54381286")]
    version: Annotated[int, U32("1")]
    changeset: Annotated[int, U64("which Xen saved the image; all ones where it does not tell")]
    cpuid: Annotated[int, U32("CPUID leaf 1, EAX, of the processor that it was saved on")]
    gtsc_khz: Annotated[int, U32("the guest's TSC frequency", unit="kHz")]


@layout(source="formats/xen.md 4.2: HVM_PARAMS")
@frozen
class Param:
    """One parameter."""

    index: Annotated[int, U64("which parameter", names=PARAM_NAMES)]
    value: Annotated[int, U64("its value")]


@layout(source="formats/xen.md 4.2: HVM_PARAMS")
@frozen(kw_only=True)
class ParamsBody:
    """The body of an HVM_PARAMS record, as libxc has it."""

    count: Annotated[int, U32("parameters that follow")]
    reserved: Annotated[bytes, Reserved(4)] = bytes(4)
    params: Annotated[bytes, Blob("count times {u64 index, u64 value}")]
