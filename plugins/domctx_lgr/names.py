"""The scheme and the magics of LinuxGuestRecord: what there is to know before anything is opened."""

from typing import Final

SCHEME: Final = "lgr"
SIGNATURE: Final = b"LinuxGuestRecord"
OLD_SIGNATURE: Final = b"XenoLinuxSuspend"
GZIP_MAGIC: Final = b"\x1f\x8b"
