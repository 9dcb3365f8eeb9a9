"""Xen's streams of today: libxc, libxl and xl save files."""
