"""Simulated Xen machines of spring 2004 (``sim:DIR``), and the domain builder."""
