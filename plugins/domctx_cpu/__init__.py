"""vCPU contexts, and what Xen keeps of a vCPU beside them: the records CPU, CPU_EXTENDED, CPU_XSAVE and CPU_MSRS."""

from domctx_cpu.states import CPU_EXTENDED, CPU_MSRS, CPU_XSAVE, VcpuParts
from domctx_cpu.stored import StoredVcpuParts, StoredVcpus

__all__ = ["CPU_EXTENDED", "CPU_MSRS", "CPU_XSAVE", "StoredVcpuParts", "StoredVcpus", "VcpuParts"]
