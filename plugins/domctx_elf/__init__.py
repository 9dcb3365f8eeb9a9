"""ELF core files, for gdb, crash, drgn and readelf."""
