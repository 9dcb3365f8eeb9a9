"""vCPU contexts: the CPU record."""

from domctx_cpu.stored import StoredVcpus

__all__ = ["StoredVcpus"]
