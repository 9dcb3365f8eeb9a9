"""What a stream has to have to be a machine: the features by which the readers of 2009 judged it (qemu.md 3.1)."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final


class Feature(enum.IntFlag):
    """What sections tell of; the numbers are those of the reader of 2009."""

    RAM = 1
    CPU = 2
    TIMER = 4
    KVM = 8
    """The machine ran under KVM."""


SECTIONS: Final = {
    "ram": Feature.RAM,
    "cpu": Feature.CPU,
    "timer": Feature.TIMER,
    "kvm-tpr-opt": Feature.KVM,
    "kvmclock": Feature.KVM,
}
REQUIRED: Final = Feature.RAM | Feature.CPU
"""Without these a stream is no machine that could run."""


def features_of(names: Iterable[str]) -> Feature:
    """The features of a stream with sections of these names."""
    found = Feature(0)
    for name in names:
        found |= SECTIONS.get(name, Feature(0))
    return found


def missing(names: Iterable[str]) -> list[str]:
    """What a stream with sections of these names lacks to be a machine."""
    lacking = REQUIRED & ~features_of(names)
    return [str(feature.name) for feature in Feature if feature & lacking]
