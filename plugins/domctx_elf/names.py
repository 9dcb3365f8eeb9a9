"""The schemes and the magic of what this plugin opens: what there is to know before anything is opened."""

from typing import Final

SCHEME: Final = "elf"
RAW: Final = "raw"
MAGIC: Final = b"\x7fELF"
