"""Linear addresses as a vCPU's page tables lead them to runs of octets of RAM blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from domctx.errors import DomainError, UsageError
from domctx.states import Memory
from domctx_memory.address import AddressMap, Extent
from domctx_memory.octets import physical_reader
from domctx_x86.states import VcpuRegisters
from domctx_x86.vcpu import Registers
from domctx_x86.walk import Walker

LIMIT: Final = 1 << 64
"""Linear addresses end below it."""


def registers_of(told: VcpuRegisters | None, vcpu: int | None) -> tuple[int, Registers]:
    """A vCPU and its registers; the first where none is named. Raises DomainError, UsageError where there is none."""
    vcpus = told.vcpus if told is not None else {}
    if not vcpus:
        raise DomainError("nothing tells of x86 vCPUs' registers in it: linear addresses lead nowhere")
    wanted = next(iter(vcpus)) if vcpu is None else vcpu
    if wanted not in vcpus:
        raise UsageError(f"there is no vCPU {wanted}", hint=f"there are: {', '.join(map(str, vcpus))}")
    registers = vcpus[wanted]
    if "cr0" not in registers.control:
        raise DomainError(f"nothing tells of the control registers of vCPU {wanted}: its page tables are not known")
    return wanted, registers


class LinearSpace:
    """The linear addresses of a vCPU; page tables are read once, as far as a walker remembers them."""

    def __init__(self, memory: Memory, registers: Registers) -> None:
        self._walker, self._space = Walker(registers, physical_reader(memory)), AddressMap.of_machine(memory.blocks)

    def find(self, address: int, length: int) -> Iterator[Extent]:
        """The runs of ``length`` octets from linear ``address`` on; each stands at its linear address.

        Raises DomainError, naming the address, where an octet is not mapped or leads to what is no RAM.
        """
        if address + length > self._walker.limit:
            raise DomainError("the vCPU's linear addresses end before", expected=f"up to 0x{self._walker.limit - 1:x}")
        for span in self._walker.spans(address, length):
            if span.physical is None:
                raise DomainError(f"linear address 0x{span.address:x} is not mapped by the vCPU's page tables")
            delta = span.address - span.physical
            try:
                for extent in self._space.find(span.physical, span.length):
                    yield extent._replace(address=extent.address + delta)
            except DomainError as error:
                message = f"linear address 0x{span.address:x} leads to 0x{span.physical:x}: {error.message}"
                raise DomainError(message, hint=error.hint) from error
