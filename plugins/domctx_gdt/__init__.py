"""GDTs: the GDT record owns frames and entries."""

from domctx_gdt.stored import StoredGdt

__all__ = ["StoredGdt"]
