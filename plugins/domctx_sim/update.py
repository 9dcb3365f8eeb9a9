"""A machine that exists and takes what a plain v10 image holds: the shared-info page and the clock."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from domctx.api import Machine as Description, StateKey
from domctx.errors import DomctxError
from domctx.states import CLOCK, SHARED_INFO, SharedInfoContext, TscContext
from domctx_clock import StoredClock
from domctx_shared_info import StoredSharedInfo
from domctx_sim.domain import SCHEME
from domctx_sim.machine import Machine
from domctx_sim.target import check_shared_info

T = TypeVar("T")


class SimUpdate:
    """A Target over one machine; the machine is held alone, and changed by ``commit`` only.

    Its states begin with what the machine has: a v10 record takes over only parts of it.
    """

    scheme = SCHEME

    def __init__(self, location: str) -> None:
        """Open the machine. Raises DomainError where it is none, or in use."""
        self.location = location
        self._machine = Machine.with_domain(Path(location), writable=True)
        domain, self._abi = self._machine.domain, self._machine.platform.abi
        page = self._machine.frames.words[domain.shared_info_frame].tobytes()
        self._before = (page, domain.tsc)
        self._shared_info, self._clock = StoredSharedInfo(SharedInfoContext(self._abi, page)), StoredClock(domain.tsc)
        self._states: Mapping[StateKey[Any], Any] = {SHARED_INFO: self._shared_info, CLOCK: self._clock}

    def prepare(self, machine: Description) -> None:
        """Nothing is made: the domain is there."""

    def state(self, key: StateKey[T]) -> T | None:
        """The state to load into, or None."""
        found: T | None = self._states.get(key)
        return found

    def commit(self) -> None:
        """Write what came, both or neither.

        Raises DomainError where it is no page of the machine's ABI, or the disk refuses.
        """
        page = check_shared_info(self._shared_info.context, self._abi)
        try:
            self._write(page, self._clock.tsc)
        except BaseException:
            with contextlib.suppress(DomctxError):  # that the disk refuses is told already
                self._write(*self._before)
            raise
        self._machine.close()

    def _write(self, page: bytes, tsc: TscContext | None) -> None:
        domain = self._machine.domain
        self._machine.write(np.array([domain.shared_info_frame]), np.frombuffer(page, np.uint8), domain.id)
        domain.tsc = tsc
        self._machine.save_domain()
        self._machine.frames.sync()

    def abort(self) -> None:
        """Leave the machine as it was."""
        self._machine.close()
