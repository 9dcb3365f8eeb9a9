"""A live QEMU, over its QMP socket: saved without being killed, loaded while it waits."""
