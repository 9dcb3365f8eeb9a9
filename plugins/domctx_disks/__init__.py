"""Which disks a machine had when it was saved: the DISKS record."""

from domctx_disks.states import DISKS, Disk, DiskFile, Disks, DisksContext, StoredDisks

__all__ = ["DISKS", "Disk", "DiskFile", "Disks", "DisksContext", "StoredDisks"]
