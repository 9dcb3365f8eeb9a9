"""The view of a vCPU's registers."""

from __future__ import annotations

from domctx_x86.vcpu import NARROW, Registers, Segment


def test_what_a_source_does_not_tell_is_empty() -> None:
    """General registers, segments and control registers are enough; the privilege level is that of SS."""
    found = Registers(architecture=NARROW, general={}, segments={"ss": Segment(0x33, 0, 0, 3 << 13)}, control={})
    assert found.cpl == 3
    assert (found.debug, found.xmm, found.halted, found.apic) == ((), (), None, None)
    assert found.msrs == {}
