"""What xl's configuration tells of a domain: its name, its UUID, its vCPUs. It is JSON, written by libxl."""

from __future__ import annotations

import json
from typing import Any, Final

from domctx.values import frozen

MAX_NAME: Final = 1 << 12
"""Characters of the longest name that is believed."""
MAX_VCPUS: Final = 1 << 13


@frozen
class Configuration:
    """``available`` are the vCPUs that the guest may use; ``problem`` is why nothing is known, None where all is."""

    name: str = ""
    uuid: str | None = None
    available: tuple[int, ...] = ()
    problem: str | None = None


def parse(octets: bytes) -> Configuration:
    """The configuration in the optional data of xl's header; whatever it lacks is left out."""
    try:
        found = json.loads(octets.rstrip(b"\0"))
    except (ValueError, RecursionError) as error:
        return Configuration(problem=str(error)[:MAX_NAME] or type(error).__name__)
    create, build = _dict(found, "c_info"), _dict(found, "b_info")
    name, uuid, available = create.get("name"), create.get("uuid"), build.get("avail_vcpus")
    return Configuration(
        name=name[:MAX_NAME] if isinstance(name, str) else "",
        uuid=uuid[:MAX_NAME] if isinstance(uuid, str) else None,
        available=_vcpus(available),
    )


def _dict(value: Any, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _vcpus(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        return ()
    known = {vcpu for vcpu in value[:MAX_VCPUS] if type(vcpu) is int and 0 <= vcpu < MAX_VCPUS}
    return tuple(sorted(known))
