"""What record types looked like when they shipped, and what a change since then breaks.

``domctx types --baseline F`` writes ``baseline``; ``domctx types --check F`` prints ``breaks``, before anything ships.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from domctx.api import RecordType
from domctx.errors import UsageError
from domctx.schema.evolution import change_sentences
