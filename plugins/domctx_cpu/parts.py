"""CPU_EXTENDED, CPU_XSAVE and CPU_MSRS: what Xen keeps of a paravirtualised vCPU beside its context.

The octets are kept as the source gave them, whatever their length (older senders wrote empty records, formats/xen.md
4.2); their fields are a view.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from domctx.api import (
    JSON,
    Context,
    Difference,
    Machine,
    Record,
    RecordRun,
    RecordWriter,
)
from domctx.errors import RecordError
from domctx.schema import octet_differences, plain_differences, size_of
from domctx.values import frozen
from domctx.wire import record_name, record_size
from domctx_cpu.layout import PartBody
from domctx_cpu.states import VcpuParts
from domctx_cpu.stored import StoredVcpuParts


def save(state: VcpuParts, writer: RecordWriter, context: Context) -> None:
    """One record for each vCPU, ascending."""
    for vcpu, octets in state.parts.items():
        writer.write_object(PartBody(size=len(octets), octets=octets), instance=vcpu)


def load(state: VcpuParts, run: RecordRun, context: Context) -> None:
    """Each record into the state. Raises RecordError as ``octets_of``."""
    for record in run:
        state.store(record.instance, octets_of(record.decode()))


def octets_of(body: PartBody) -> bytes:
    """The octets in a record's body. Raises RecordError where they are not as many as the body says."""
    if body.size != len(body.octets):
        size = f"0x{body.size:08x} octets"
        raise RecordError("the part is not as long as it says", expected=size, got=f"0x{len(body.octets):08x}")
    return body.octets


def exact_size(state: VcpuParts, context: Context) -> int:
    """Octets that all records take."""
    return sum(record_size(size_of(PartBody) + len(octets)) for octets in state.parts.values())


def new_state(machine: Machine) -> StoredVcpuParts:
    """An empty state."""
    return StoredVcpuParts()


@frozen
class _Part:
    """One kind of part: how it is shown and compared."""

    name: str
    view: str
    """The function of ``part_fields`` that makes a JSON value of the octets."""

    def fields(self, octets: bytes) -> JSON:
        """The octets by their fields."""
        from domctx_cpu import part_fields

        return getattr(part_fields, self.view)(octets)

    def show(self, record: Record, context: Context) -> JSON:
        """The fields."""
        return self.fields(octets_of(record.decode()))

    def diff(self, a: VcpuParts, b: VcpuParts, context: Context) -> Iterator[Difference]:
        """By vCPU and field: ``CPU_XSAVE[0] xcr0``."""
        left, right = a.parts, b.parts
        for vcpu in sorted({*left, *right}):
            for path, one, other in self._compared(left.get(vcpu), right.get(vcpu)):
                yield Difference(record_name(self.name, vcpu), path, one, other)

    def _compared(self, a: bytes | None, b: bytes | None) -> Iterator[tuple[str, Any, Any]]:
        if a is None or b is None:
            yield "", "present" if a is not None else None, "present" if b is not None else None
        elif a != b:
            found = list(plain_differences("", self.fields(a), self.fields(b)))
            yield from found or octet_differences("octets", a, b)


EXTENDED: Final = _Part("CPU_EXTENDED", "extended")
XSAVE: Final = _Part("CPU_XSAVE", "xsave")
MSRS: Final = _Part("CPU_MSRS", "msrs")
