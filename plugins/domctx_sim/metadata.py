"""What a machine's folder says of its domain besides frames: one small JSON file, checked when it is read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from domctx.errors import DomainError
from domctx.publish import publish, refused
from domctx.schema import decode, encode, size_of
from domctx.states import TscContext
from domctx_sim.frame_table import HEAP_FRAMES, XEN
from domctx_sim.layout import MAX_VIFS
from domctx_sim.platforms import NAMES, TWO_LEVEL, Platform, platform_named
from domctx_sim.processor import processor_of

NAME: Final = "machine.json"
"""The file's name in a machine's folder."""
FORMAT: Final = 1
FORMAT_TODAY: Final = 2
"""Of machines that are not those of 2004; the file says which."""
_LIMIT: Final = 1 << 20
RUN_STATES: Final = ("running", "paused", "suspended")
U32_MAX: Final = 0xFFFF_FFFF


@attrs.define(kw_only=True)
class DomainRecord:
    """A domain of the machine: all that is not in frames. Frames are MFNs, pages PFNs."""

    platform: Platform = TWO_LEVEL
    """The kind of machine that the domain is in."""
    id: int
    name: str
    shared_info_frame: int
    run_state: str = "paused"
    vifs: int = 0
    command_line: str = ""
    context: bytes = b""
    """The vCPU context in machine frames, as BUILDDOMAIN took it; empty until then."""
    reserved: int | None = None
    """The page of the suspend record that the machine fills on the domain's behalf, of start_info where the machine is
    one of today; None: the domain must suspend itself."""
    frame_list: tuple[int, ...] | None = None
    """The pages of the P2M: of a domain that was loaded suspended by itself, and of every domain of today."""
    tsc: TscContext | None = None
    pins_known: bool = True
    """Whether the pinned page tables are those that the guest pinned; a source may not tell, and all are pinned."""

    @property
    def cpu(self) -> Any:
        """The context, decoded. Raises DomainError before the domain was built."""
        if not self.context:
            raise DomainError("the domain was not built yet", got=f"domain {self.id}")
        return decode(processor_of(self.platform).layout, self.context)

    def set_base(self, mfn: int) -> int:
        """Install a top-level page table of the kernel; returns the frame of the former one."""
        cpu, processor = self.cpu, processor_of(self.platform)
        former, *others = processor.bases(cpu)
        self.context = encode(processor.with_bases(cpu, (mfn, *others)))
        return former

    def set_ldt(self, base: int, entries: int) -> None:
        """Install an LDT."""
        self.context = encode(attrs.evolve(self.cpu, ldt_base=base, ldt_ents=entries))


def write(folder: Path, domain: DomainRecord | None, platform: Platform = TWO_LEVEL) -> None:
    """Write the file anew, whole or not at all. Raises DomainError, also for what ``read`` would refuse."""
    record = None
    if domain is not None:
        record = attrs.asdict(domain, filter=lambda field, value: field.name != "platform")
        record["context"] = domain.context.hex()
        if domain.frame_list is not None:
            record["frame_list"] = list(domain.frame_list)
    head = {"format": FORMAT_TODAY, "paging": platform.name} if platform.today else {"format": FORMAT}
    text = json.dumps({**head, "domain": record}, indent=1)
    if record is not None:
        _domain(json.loads(text)["domain"], folder / NAME, platform)
    with publish(folder / NAME, force=True) as file:
        file.write(text.encode())


def read(folder: Path) -> tuple[Platform, DomainRecord | None]:
    """The machine's kind, and its domain or None.

    Raises DomainError where the folder is no machine or its file is damaged.
    """
    path = folder / NAME
    try:
        octets = head_of(path, _LIMIT + 1)
    except FileNotFoundError as error:
        raise DomainError("this folder holds no simulated machine", file=str(folder)) from error
    except OSError as error:
        raise refused(error, path) from error
    try:
        value = json.loads(octets) if len(octets) <= _LIMIT else None
    except (ValueError, RecursionError):
        value = None
    platform = _platform(value) if isinstance(value, dict) and "domain" in value else None
    if value is None or platform is None:
        raise DomainError("this is not the description of a simulated machine", file=str(path))
    return platform, None if value["domain"] is None else _domain(value["domain"], path, platform)


def head_of(path: Path, size: int) -> bytes:
    """The first octets of a file in a machine's folder; none of a pipe, which nobody waits for. Raises OSError."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        return file.read(size) or b""


def _platform(value: Mapping[str, Any]) -> Platform | None:
    if value.get("format") == FORMAT:
        return TWO_LEVEL
    if value.get("format") == FORMAT_TODAY and value.get("paging") in NAMES:
        return platform_named(value["paging"])
    return None


def _number(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _text(octets: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value.isascii() and "\0" not in value and len(value) < octets


def _hex(octets: int) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        digits = isinstance(value, str) and all(digit in "0123456789abcdef" for digit in value)
        return digits and len(value) in (0, 2 * octets)

    return check


def _pages(platform: Platform) -> Callable[[Any], bool]:
    page, most = _number(0, platform.frames - 1), platform.paging.p2m_frames(platform.frames)
    return lambda value: value is None or (isinstance(value, list) and len(value) <= most and all(map(page, value)))


def _tsc(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and _keys_hold(value, _TSC))


def _keys_hold(value: Mapping[str, Any], checks: Mapping[str, Callable[[Any], bool]]) -> bool:
    return value.keys() == checks.keys() and all(check(value[key]) for key, check in checks.items())


_TSC: Final[Mapping[str, Callable[[Any], bool]]] = {
    "mode": _number(0, U32_MAX),
    "khz": _number(0, U32_MAX),
    "nsec": _number(0, (1 << 64) - 1),
    "incarnation": _number(0, U32_MAX),
}


def _checks(platform: Platform) -> Mapping[str, Callable[[Any], bool]]:
    return {
        "id": _number(1, XEN - 1),
        "name": _text(platform.max_name),
        "shared_info_frame": _number(0, HEAP_FRAMES - 1),
        "run_state": lambda value: value in RUN_STATES,
        "vifs": _number(0, MAX_VIFS),
        "command_line": _text(platform.max_cmdline),
        "context": _hex(size_of(processor_of(platform).layout)),
        "reserved": lambda value: value is None or _number(0, platform.frames - 1)(value),
        "frame_list": _pages(platform),
        "tsc": _tsc,
        "pins_known": lambda value: isinstance(value, bool),
    }


def _domain(value: Any, path: Path, platform: Platform) -> DomainRecord:
    checks = _checks(platform)
    if not isinstance(value, dict) or value.keys() != checks.keys():
        raise DomainError("the machine's domain has the wrong fields", file=str(path), expected=", ".join(checks))
    for key, check in checks.items():
        if not check(value[key]):
            raise DomainError(f"the machine's domain has a bad {key}", file=str(path), got=repr(value[key])[:60])
    frame_list, tsc = value["frame_list"], value["tsc"]
    return DomainRecord(
        **{
            **value,
            "platform": platform,
            "context": bytes.fromhex(value["context"]),
            "frame_list": None if frame_list is None else tuple(frame_list),
            "tsc": None if tsc is None else TscContext(**tsc),
        }
    )
