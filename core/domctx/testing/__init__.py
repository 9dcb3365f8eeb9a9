"""What plugin authors test with: contract tests and hypothesis strategies (``pip install domctx[testing]``)."""

from domctx.testing.contract import RecordTypeContract
from domctx.testing.domains import StatesDomain, StatesTarget
from domctx.testing.harness import registry_of
from domctx.testing.mutations import mutated, raw_records, record_streams
from domctx.testing.snapshot import snapshot
from domctx.testing.strategies import bodies, plain_values, values
from domctx.testing.trial import BrokenContract
from domctx.testing.version_rules import Older

__all__ = [
    "RecordTypeContract", "Older", "BrokenContract",
    "bodies", "values", "plain_values", "mutated", "raw_records", "record_streams",
    "StatesDomain", "StatesTarget", "registry_of", "snapshot",
]  # fmt: skip
