"""Snapshots of Acme's hypervisor."""
