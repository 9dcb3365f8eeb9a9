"""Whether a record type's declaration is sound, before anything is saved with it."""

from __future__ import annotations

from collections.abc import Iterator

from domctx.api import Images, RecordType
from domctx.schema import size_of
from domctx.wire import CORE_CODES, OPTIONAL, code_range


def problems(record_type: RecordType) -> Iterator[str]:
    """What is wrong with a declaration, as sentences."""
    yield from _identity_problems(record_type)
    yield from _version_problems(record_type)
    if record_type.layout is not None and size_of(record_type.layout) > record_type.max_body:
        size = size_of(record_type.layout)
        yield f"max_body is {record_type.max_body}, but the layout's fixed part alone takes {size} octets"
    names = [option.name for option in record_type.options]
    if len(set(names)) < len(names):
        yield f"two options have one name: {', '.join(sorted(names))}"
    if not record_type.images & (Images.DOMCTX | Images.PLAIN):
        yield "images is empty: the type is saved into no image"


def _identity_problems(record_type: RecordType) -> Iterator[str]:
    code, name = record_type.code, record_type.name
    if not 0 <= code < OPTIONAL or code in CORE_CODES:
        yield f"the code 0x{code:08x} is the core's own, or has bit 31 set (optional=True sets it)"
    elif code_range(code).owner not in ("xen", "bundled") and "/" not in name:
        yield f"the name {name!r} has no namespace: name it vendor/type"
    if not name.isprintable() or any(character.isspace() for character in name) or not name:
        yield f"the name {name!r} is empty, or holds what cannot be printed"
    if not record_type.summary.strip() or "\n" in record_type.summary:
        yield "the summary is not one line"


def _version_problems(record_type: RecordType) -> Iterator[str]:
    version, since = record_type.version, record_type.readable_since
    if not 1 <= since <= version:
        yield f"readable_since is {since} and version {version}; expected 1 <= readable_since <= version"
    if not 1 <= record_type.oldest <= version:
        yield f"oldest is {record_type.oldest} and version {version}; expected 1 <= oldest <= version"
    beyond = sorted(old for old in record_type.upgrades if not 1 <= old < version)
    if beyond:
        yield f"upgrades from versions {beyond}, but bodies have versions 1 to {version}"
