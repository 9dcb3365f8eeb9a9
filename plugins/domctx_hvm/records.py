"""HVM_CONTEXT and HVM_PARAMS, and the registers in the former; what stands in other rooms is imported when needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from domctx.api import (
    JSON,
    Context,
    Difference,
    Domain,
    Machine,
    Record,
    RecordRun,
    RecordWriter,
    Target,
)
from domctx.schema import size_of
from domctx.wire import record_name, record_size
from domctx_hvm.layout import PARAM_NAMES, Param, ParamsBody
from domctx_hvm.params import body_of, params_of
from domctx_hvm.states import HvmContext, HvmParams
from domctx_hvm.stored import StoredHvmContext, StoredHvmParams
from domctx_x86.states import VcpuRegisters


def save_context(state: HvmContext, writer: RecordWriter, context: Context) -> None:
    """One record where there is an image."""
    if state.octets is not None:
        writer.write(state.octets)


def load_context(state: HvmContext, run: RecordRun, context: Context) -> None:
    """The record into the state. Raises RecordError and UnsupportedError as ``image.split``."""
    from domctx_hvm.image import split

    for record in run:
        octets = bytes(record.rest())
        split(octets)
        state.store(octets)


def context_size(state: HvmContext, context: Context) -> int:
    """Octets that the record takes."""
    return 0 if state.octets is None else record_size(len(state.octets))


def show_context(record: Record, context: Context) -> JSON:
    """The entries, by their fields."""
    from domctx_hvm.show import shown

    return shown(bytes(record.rest()))


def diff_context(a: HvmContext, b: HvmContext, context: Context) -> Iterable[Difference]:
    """By entry and field: ``CPU[0].rip``."""
    from domctx_hvm.compare import compare

    return compare(a.octets, b.octets)


def new_context(machine: Machine) -> StoredHvmContext:
    """An empty state."""
    return StoredHvmContext()


def save_params(state: HvmParams, writer: RecordWriter, context: Context) -> None:
    """One record where there are parameters. Raises RecordError as ``params.body_of``."""
    if state.params is not None:
        writer.write_object(body_of(state.params))


def load_params(state: HvmParams, run: RecordRun, context: Context) -> None:
    """The record into the state. Raises RecordError as ``params.params_of``."""
    for record in run:
        state.store(params_of(record.decode()))


def params_size(state: HvmParams, context: Context) -> int:
    """Octets that the record takes."""
    return 0 if state.params is None else record_size(size_of(ParamsBody) + len(state.params) * size_of(Param))


def show_params(record: Record, context: Context) -> JSON:
    """The parameters in their order, with the names that are known."""
    return [
        {"index": index, "name": PARAM_NAMES.get(index), "value": value} for index, value in params_of(record.decode())
    ]


def diff_params(a: HvmParams, b: HvmParams, context: Context) -> Iterator[Difference]:
    """By parameter: ``STORE_PFN``; then their order."""
    name = record_name("HVM_PARAMS", 0)
    if a.params is None or b.params is None:
        if a.params != b.params:
            one, other = ("present" if side.params is not None else None for side in (a, b))
            yield Difference(name, "", one, other)
        return
    left, right = dict(a.params), dict(b.params)
    for index in sorted({*left, *right}):
        if left.get(index) != right.get(index):
            yield Difference(name, PARAM_NAMES.get(index, f"{index}"), left.get(index), right.get(index))
    if left == right and a.params != b.params:
        yield Difference(name, "order", [list(pair) for pair in a.params], [list(pair) for pair in b.params])


def new_params(machine: Machine) -> StoredHvmParams:
    """An empty state."""
    return StoredHvmParams()


def registers(domain: Domain | Target) -> VcpuRegisters | None:
    """The registers in a domain's HVM context; see ``domctx_hvm.registers``."""
    from domctx_hvm.registers import provide

    return provide(domain)
