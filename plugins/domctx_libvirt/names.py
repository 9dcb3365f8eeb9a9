"""What an image is known by, and the names of its parts beside the stream (formats/qemu.md 5.1)."""

from typing import Final

SCHEME: Final = "libvirt"
SAVED: Final = b"LibvirtQemudSave"
PARTIAL: Final = b"LibvirtQemudPart"
"""Begins an image whose save has not ended."""

HEADER: Final = "header"
XML: Final = "xml"
COOKIE: Final = "cookie"
DATA: Final = "data"
"""Everything between header and stream, where that is more than XML, cookie and zeros."""
