"""The arrays that the machine's parts hand to each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.integer[Any]]
"""Frame or page numbers."""
Words = NDArray[Any]
"""Page-table entries or addresses, u32 or u64 as the machine's paging has them; or memory by words of four octets."""
Mask = NDArray[np.bool_]
Pages = NDArray[Any]
"""Whole pages, of any shape and type."""
PageTypes = NDArray[np.uint8]
"""PageType by PFN."""
