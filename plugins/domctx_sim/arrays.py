"""The arrays that the machine's parts hand to each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.integer[Any]]
"""Frame or page numbers, each below 2^20."""
Words = NDArray[np.uint32]
"""Page-table entries, addresses, or memory by words of four octets."""
Mask = NDArray[np.bool_]
Pages = NDArray[Any]
"""Whole pages, of any shape and type."""
PageTypes = NDArray[np.uint8]
"""PageType by PFN."""
