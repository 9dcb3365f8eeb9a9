"""Many small records through the plugin layer, in batches: a whole save and a whole load of one vendor's type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from domctx.api import Context, Instances, Machine, RecordRun, RecordType, RecordWriter, StateKey
from domctx.load import load
from domctx.save import save
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.testing import StatesDomain, StatesTarget
from domctx.testing.harness import registry_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE: Final = 16


class Pairs:
    """Two numbers for each record, u64[n, 2]."""

    def __init__(self, values: NDArray[np.uint64] | None = None) -> None:
        self.values = values if values is not None else np.empty((0, 2), np.uint64)
        self.total = 0


PAIRS: Final[StateKey[Pairs]] = StateKey("benchmark/pairs")


def save_pairs(state: Pairs, writer: RecordWriter, context: Context) -> None:
    """All at once."""
    writer.write_batch(np.arange(len(state.values), dtype=np.uint32), state.values.view(np.uint8))


def load_pairs(state: Pairs, run: RecordRun, context: Context) -> None:
    """As they come; adds up what a reader would look at."""
    for _, bodies in run.batches():
        numbers = np.ascontiguousarray(bodies).view(np.uint64)
        state.total += int(numbers[:, 0].sum())


TYPE: Final = RecordType(
    code=0x7FFF_0000,
    name="benchmark/pair",
    summary="two numbers",
    state=PAIRS,
    save=save_pairs,
    load=load_pairs,
    new_state=lambda machine: Pairs(),
    instances=Instances.DENSE,
    max_body=SIZE,
)


def write_and_read(count: int) -> Any:
    """Save so many records to memory and load them. Raises AssertionError where they do not come back."""
    registry = registry_of([TYPE])
    numbers = np.arange(count, dtype=np.uint64)
    domain = StatesDomain(Machine("", ""), {PAIRS: Pairs(np.stack([numbers, numbers], axis=1))})
    sink = BytesSink()
    save(domain, sink, registry)
    target = StatesTarget({PAIRS: lambda machine: Pairs()})
    load(BytesSource(sink.octets), target, registry)
    state = target.state(PAIRS)
    assert state is not None
    assert state.total == count * (count - 1) // 2
    return state
