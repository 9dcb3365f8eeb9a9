"""Which instances of a record type were seen: kept unique on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domctx.api import Instances, RecordType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Ledger:
    """Which instances of one type were seen: (type, instance) is unique, and the type says which there may be."""

    def __init__(self, record_type: RecordType) -> None:
        self._type = record_type
        self._next = 0
        self._seen: set[int] = set()

    def claim(self, instance: int) -> str | None:
        """Note an instance; says what is wrong with it, or None."""
        if self._type.instances is Instances.KEYED:
            if instance in self._seen:
                return "this instance stands in the image twice"
            self._seen.add(instance)
            return None
        single = self._type.instances is Instances.SINGLE
        if single and instance:
            return "the type has instance 0 only"
        if single and self._next:
            return "the type has one record only, this is another"
        if instance != self._next:
            return f"instances run from 0 without a gap, expected {self._next}"
        self._next += 1
        return None

    def claim_all(self, instances: NDArray[np.uint32]) -> tuple[int, str] | None:
        """Note many; the place among them of the first that is wrong and what is wrong with it, or None."""
        if self._type.instances is Instances.DENSE and len(instances):
            start, self._next = self._next, self._next + len(instances)
            if int(instances[0]) == start and bool((instances[1:] - instances[:-1] == 1).all()):
                return None
            self._next = start
        for place, instance in enumerate(instances.tolist()):
            problem = self.claim(instance)
            if problem:
                return place, problem
        return None
