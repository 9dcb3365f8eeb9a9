"""Entries of vCPUs beside their registers, and of the Viridian interface (formats/xen.md 3.2)."""

from typing import Annotated

from domctx.schema import U8, U32, U64, Array, Blob, Bytes, layout
from domctx.values import frozen


@layout(source="formats/xen.md 3.2: MTRR")
@frozen(kw_only=True)
class Mtrr:
    """Memory types."""

    msr_pat_cr: Annotated[int, U64("MSR PAT")]
    msr_mtrr_var: Annotated[tuple[int, ...], Array(U64("base or mask"), 16, "base and mask of each of eight ranges")]
    msr_mtrr_fixed: Annotated[tuple[int, ...], Array(U64("eight types"), 11, "types of the fixed ranges")]
    msr_mtrr_cap: Annotated[int, U64("MSR MTRRCAP")]
    msr_mtrr_def_type: Annotated[int, U64("MSR MTRR_DEF_TYPE")]


@layout(source="formats/xen.md 3.2: VIRIDIAN_DOMAIN")
@frozen(kw_only=True)
class ViridianDomain:
    """The domain's part of the Viridian interface."""

    hypercall_gpa: Annotated[int, U64("MSR HYPERCALL")]
    guest_os_id: Annotated[int, U64("MSR GUEST_OS_ID")]
    time_ref_count: Annotated[int, U64("offset of the time reference counter", unit="100 ns")]
    reference_tsc: Annotated[int, U64("MSR REFERENCE_TSC")]


@layout(source="formats/xen.md 3.2: VIRIDIAN_VCPU")
@frozen(kw_only=True)
class ViridianVcpu:
    """A vCPU's part of the Viridian interface; in Xen 4.6 the first eight octets alone."""

    vp_assist_msr: Annotated[int, U64("MSR VP_ASSIST_PAGE")]
    apic_assist_pending: Annotated[int, U8("not 0: an EOI is left to the guest")]
    pad: Annotated[bytes, Bytes(7, "unused")]
    simp_msr: Annotated[int, U64("MSR SIMP")]
    sint_msr: Annotated[tuple[int, ...], Array(U64("an MSR"), 16, "MSR SINT0 .. SINT15")]
    stimer_config_msr: Annotated[tuple[int, ...], Array(U64("an MSR"), 4, "MSR STIMER0_CONFIG .. 3")]
    stimer_count_msr: Annotated[tuple[int, ...], Array(U64("an MSR"), 4, "MSR STIMER0_COUNT .. 3")]


@layout(source="formats/xen.md 3.2: CPU_XSAVE")
@frozen(kw_only=True)
class CpuXsave:
    """A vCPU's XSAVE area."""

    xfeature_mask: Annotated[int, U64("ignored", unit="mask")]
    xcr0: Annotated[int, U64("XCR0: the components that are enabled", unit="mask")]
    xcr0_accum: Annotated[int, U64("every component that was ever enabled", unit="mask")]
    save_area: Annotated[bytes, Blob("FXSAVE image, header, components")]


@layout(source="formats/xen.md 3.2: VMCE_VCPU")
@frozen(kw_only=True)
class VmceVcpu:
    """A vCPU's machine-check state; without ``mcg_ext_ctl`` up to Xen 4.6."""

    caps: Annotated[int, U64("MSR MCG_CAP")]
    mci_ctl2_bank0: Annotated[int, U64("MSR MC0_CTL2")]
    mci_ctl2_bank1: Annotated[int, U64("MSR MC1_CTL2")]
    mcg_ext_ctl: Annotated[int, U64("MSR MCG_EXT_CTL")]


@layout(source="formats/xen.md 3.2: TSC_ADJUST")
@frozen
class TscAdjust:
    """A vCPU's TSC adjustment."""

    tsc_adjust: Annotated[int, U64("MSR TSC_ADJUST", unit="cycles")]


@layout(source="formats/xen.md 3.2: CPU_MSR, entry")
@frozen
class MsrEntry:
    """One model-specific register."""

    index: Annotated[int, U32("which register")]
    reserved: Annotated[int, U32("zero; kept as it is found")]
    val: Annotated[int, U64("its value")]


@layout(source="formats/xen.md 3.2: CPU_MSR")
@frozen(kw_only=True)
class CpuMsr:
    """A vCPU's model-specific registers that have no place elsewhere."""

    count: Annotated[int, U32("registers that follow")]
    pad: Annotated[int, U32("unused")]
    msrs: Annotated[bytes, Blob("count times {u32 index, u32 reserved, u64 val}")]
