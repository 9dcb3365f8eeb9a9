"""A vendor's toys: MARK, which a reader may skip, and NEED, which it must know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from domctx.api import Context, Instances, RecordRun, RecordType, RecordWriter, StateKey
from domctx.hookspecs import hookimpl

MARK_CODE, NEED_CODE = 0x20010, 0x20011


@attrs.define
class Octets:
    """Octets by number."""

    octets: dict[int, bytes] = attrs.Factory(dict)


MARK: StateKey[Octets] = StateKey("acme/mark")
NEED: StateKey[Octets] = StateKey("acme/need")


def save(state: Octets, writer: RecordWriter, context: Context) -> None:
    """In two parts."""
    for instance, octets in state.octets.items():
        writer.write(octets[:3], octets[3:], instance=instance)


def load(state: Octets, run: RecordRun, context: Context) -> None:
    """Whole."""
    for record in run:
        state.octets[record.instance] = bytes(record.rest())


def _type(code: int, key: StateKey[Octets], **more: Any) -> RecordType:
    return RecordType(
        code=code,
        name=key.name,
        summary="a vendor's toy",
        state=key,
        save=save,
        load=load,
        new_state=lambda machine: Octets(),
        instances=Instances.KEYED,
        **more,
    )


@hookimpl
def domctx_record_types() -> Sequence[RecordType]:
    """MARK and NEED."""
    return [_type(MARK_CODE, MARK, optional=True), _type(NEED_CODE, NEED)]
