"""libvirt's save images (scheme ``libvirt:``): a QEMU stream, packed or not, behind the domain's XML."""
