"""A guest of our own for QEMU: built here, started on any x86 machine, and judged by what it must have done."""
