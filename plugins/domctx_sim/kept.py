"""States that a machine of today keeps for its guest and makes no use of: one JSON file, where there are any.

They are what Xen keeps of a vCPU beside its context, and what the source format had before and behind.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from domctx.api import StateKey
from domctx.errors import DomainError
from domctx.publish import publish, refused
from domctx.states import FOREIGN_HEAD, FOREIGN_TAIL, ForeignPart
from domctx.values import frozen
from domctx_cpu.states import CPU_EXTENDED, CPU_MSRS, CPU_XSAVE
from domctx_cpu.stored import StoredVcpuParts
from domctx_foreign.stored import StoredForeign
from domctx_sim.metadata import head_of

NAME: Final = "kept.json"
"""The file's name in a machine's folder."""
LIMIT: Final = 1 << 24
"""Octets of the file."""
_PARTS: Final = (CPU_EXTENDED, CPU_XSAVE, CPU_MSRS)
_FOREIGN: Final = (FOREIGN_HEAD, FOREIGN_TAIL)


@frozen(eq=False)
class Kept:
    """The states by key; empty ones too."""

    parts: Mapping[StateKey[Any], StoredVcpuParts] = attrs.field(
        factory=lambda: {key: StoredVcpuParts() for key in _PARTS}
    )
    foreign: Mapping[StateKey[Any], StoredForeign] = attrs.field(
        factory=lambda: {key: StoredForeign() for key in _FOREIGN}
    )

    @property
    def states(self) -> Mapping[StateKey[Any], Any]:
        """All of them."""
        return {**self.parts, **self.foreign}

    @property
    def owned(self) -> tuple[StateKey[Any], ...]:
        """The keys of those that hold anything."""
        return tuple(key for key, state in self.states.items() if state.parts)


def write(folder: Path, kept: Kept) -> None:
    """Write the file, where there is anything to be kept. Raises DomainError where that is too much."""
    if not kept.owned:
        return
    value: dict[str, Any] = {
        key.name: {str(vcpu): _text(octets) for vcpu, octets in state.parts.items()}
        for key, state in kept.parts.items()
    }
    for key, state in kept.foreign.items():
        value[key.name] = [[part.format, part.name, _text(part.octets)] for part in state.parts]
    octets = json.dumps(value).encode()
    if len(octets) > LIMIT:
        names = ", ".join(key.name for key in kept.owned)
        hint = "leave out what the guest does not need: --drop NAME"
        raise DomainError(f"more is to be kept than a machine has room for: {names}", expected=LIMIT, hint=hint)
    with publish(folder / NAME, force=True) as file:
        file.write(octets)


def read(folder: Path) -> Kept:
    """What a machine keeps. Raises DomainError where the file is damaged or cannot be read."""
    path = folder / NAME
    try:
        octets = head_of(path, LIMIT + 1)
    except FileNotFoundError:
        return Kept()
    except OSError as error:
        raise refused(error, path) from error
    try:
        if len(octets) > LIMIT:
            raise ValueError
        return _kept(json.loads(octets))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError, binascii.Error) as error:
        raise DomainError("this is not what a simulated machine keeps", file=str(path)) from error


def _kept(value: Any) -> Kept:
    parts = {
        key: StoredVcpuParts({int(vcpu): _octets(text) for vcpu, text in value[key.name].items()}) for key in _PARTS
    }
    foreign = {
        key: StoredForeign(
            ForeignPart(_string(scheme), _string(name), _octets(text)) for scheme, name, text in value[key.name]
        )
        for key in _FOREIGN
    }
    return Kept(parts, foreign)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _octets(text: Any) -> bytes:
    return base64.b64decode(_string(text), validate=True)
