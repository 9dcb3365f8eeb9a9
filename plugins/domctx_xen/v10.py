"""The domain context image in a record DOMAIN_CONTEXT of a stream of version 4 (formats/xen.md 2.1, 2.6)."""

from __future__ import annotations

from typing import Any, Final

import attrs

from domctx.errors import DomctxError, StreamError, UnsupportedError
from domctx.schema import decode, encode
from domctx.sinks import BytesSink
from domctx.sources import BytesSource
from domctx.states import SharedInfoContext, TscContext
from domctx.stream import StreamReader, StreamWriter
from domctx.values import frozen
from domctx.wire import START_BODY, TYPE_END, TYPE_START, XEN_VERSION, check_version, unpack_start
from domctx_clock.layout import POSTED_TAIL
from domctx_clock.records import body_of, tsc_info
from domctx_shared_info.layout import SharedInfoBody
from domctx_shared_info.pages import record_body, take_over

SHARED_INFO: Final = 2
TSC_INFO: Final = 3
NAMES: Final = {TYPE_START: "START", TYPE_END: "END", SHARED_INFO: "SHARED_INFO", TSC_INFO: "TSC_INFO"}


@frozen
class Held:
    """What an image holds. ``posted``: its TSC_INFO has the 24 octets of the posted saver."""

    shared_info: SharedInfoContext | None = None
    tsc: TscContext | None = None
    posted: bool = False


def read(octets: bytes) -> Held:
    """What an image holds. Raises StreamError, RecordError and UnsupportedError; offsets count from its start."""
    reader = StreamReader(BytesSource(octets))
    bodies: dict[int, bytes] = {}
    place = 0
    try:
        while True:
            place = reader.offset
            header = reader.begin()
            if header is None:
                raise StreamError("the domain context ends without END")
            if (header.type == TYPE_START) != (not bodies):
                raise StreamError("START is the first record of a domain context, and no other")
            if header.type not in NAMES:
                raise UnsupportedError("a record of a type that is not known", got=f"0x{header.type:08x}")
            if header.instance or header.type in bodies:
                raise StreamError(f"a second {NAMES[header.type]}", got=f"instance 0x{header.instance:08x}")
            bodies[header.type] = bytes(reader.data(header.length))
            reader.end()
            if header.type == TYPE_END:
                break
        place = reader.offset
        if place < len(octets) or bodies[TYPE_END]:
            raise StreamError("the domain context goes on behind END")
        return _held(bodies)
    except DomctxError as error:
        raise error.at(offset=place) from None


def _held(bodies: dict[int, bytes]) -> Held:
    check_version(unpack_start(bodies[TYPE_START]))
    found = Held()
    if SHARED_INFO in bodies:
        context = take_over(decode(SharedInfoBody, bodies[SHARED_INFO]), None)
        found = attrs.evolve(found, shared_info=context)
    if TSC_INFO in bodies:
        body = bodies[TSC_INFO]
        tsc = TscContext(**attrs.asdict(tsc_info(body)))
        found = attrs.evolve(found, tsc=tsc, posted=len(body) == len(encode(body_of(tsc))) + POSTED_TAIL)
    return found


def write(held: Held) -> bytes:
    """The image of these states: START of our version, what there is, END."""
    sink = BytesSink()
    stream = StreamWriter(sink)
    bodies: dict[int, Any] = {TYPE_START: START_BODY.pack(*XEN_VERSION)}
    if held.shared_info is not None:
        bodies[SHARED_INFO] = encode(record_body(held.shared_info))
    if held.tsc is not None:
        bodies[TSC_INFO] = encode(body_of(held.tsc)) + bytes(POSTED_TAIL if held.posted else 0)
    bodies[TYPE_END] = b""
    for code, body in bodies.items():
        stream.begin(code, 0, len(body))
        stream.data(body)
        stream.end()
    return bytes(sink.octets)
