"""What only a foreign file format has: FOREIGN_HEAD and FOREIGN_TAIL."""

from domctx_foreign.left import tell_left
from domctx_foreign.opened import OpenedForeign
from domctx_foreign.stored import StoredForeign

__all__ = ["OpenedForeign", "StoredForeign", "tell_left"]
