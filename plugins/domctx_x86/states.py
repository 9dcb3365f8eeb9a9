"""States that are derived from others, for every machine with x86 vCPUs; they are never saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from domctx.api import StateKey

if TYPE_CHECKING:
    from domctx_x86.vcpu import Registers


class VcpuRegisters(Protocol):
    """The registers of a machine's vCPUs."""

    @property
    def vcpus(self) -> Mapping[int, Registers]:
        """Registers by vCPU id, ascending; those of a vCPU are decoded when they are asked for.

        Raises RecordError, UnsupportedError then, where the source cannot be decoded.
        """


class PhysicalMemory(Protocol):
    """The guest-physical address space; of a paravirtualised guest a page stands at its PFN times the page size."""

    def read(self, address: int, size: int) -> bytes:
        """``size`` octets from ``address`` on; pages without contents are zeros. Raises DomainError: no RAM there."""


REGISTERS: StateKey[VcpuRegisters] = StateKey("registers")
PHYSICAL: StateKey[PhysicalMemory] = StateKey("physical")


class Decoded(Mapping[int, "Registers"]):
    """Registers of the vCPUs ``ids``, each decoded by ``decode`` when it is first asked for."""

    def __init__(self, ids: Iterable[int], decode: Callable[[int], Registers]) -> None:
        self._ids, self._decode = sorted(ids), decode
        self._found: dict[int, Registers] = {}

    def __getitem__(self, vcpu: int) -> Registers:
        if vcpu not in self._ids:
            raise KeyError(vcpu)
        if vcpu not in self._found:
            self._found[vcpu] = self._decode(vcpu)
        return self._found[vcpu]

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)
