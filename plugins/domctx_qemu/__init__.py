"""Device sections, raw: the DEVICE record."""

from domctx_qemu.stored import StoredDevices

__all__ = ["StoredDevices"]
