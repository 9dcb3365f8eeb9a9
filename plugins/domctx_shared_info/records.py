"""SHARED_INFO_PAGE, the whole page, in images of ours; Xen's own SHARED_INFO in plain v10 images."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from domctx.api import JSON, Context, Difference, Machine, Record, RecordRun, RecordWriter
from domctx.schema import decode, differences, octet_differences, size_of, to_json
from domctx.states import SharedInfo, SharedInfoContext
from domctx.wire import record_name, record_size
from domctx_shared_info.layout import PAGE_SIZE, PageBody, SharedInfoBody
from domctx_shared_info.pages import (
    abi_of_context,
    page_body,
    page_context,
    record_abi,
    record_body,
    struct_of,
    take_over,
)
from domctx_shared_info.stored import StoredSharedInfo

FROM_FRAMES: Final = frozenset({"execution_context.esi", "arch.pfn_to_mfn_frame_list_list", "arch.p2m_cr3"})
"""Fields that name machine frames of the host that the page was saved on; no domain takes them over."""


def save_page(state: SharedInfo, writer: RecordWriter, context: Context) -> None:
    """One record where there is a page."""
    if state.context is not None:
        writer.write_object(page_body(state.context))


def load_page(state: SharedInfo, run: RecordRun, context: Context) -> None:
    """The page into the state. Raises UnsupportedError as ``pages.page_context``."""
    for record in run:
        state.store(page_context(record.decode()))


def page_size(state: SharedInfo, context: Context) -> int:
    """Octets that the record takes."""
    return record_size(size_of(PageBody)) if state.context is not None else 0


def show_page(record: Record, context: Context) -> JSON:
    """The structure's fields by name, and the runs of the rest of the page that are not zero, in hex by place."""
    found = page_context(record.decode())
    size = abi_of_context(found).size
    rest = octet_differences("page", bytes(PAGE_SIZE), bytes(size) + found.page[size:])
    return {"abi": found.abi, **to_json(struct_of(found)), "rest": {path: octets for path, _, octets in rest}}


def save_record(state: SharedInfo, writer: RecordWriter, context: Context) -> None:
    """Xen's record, derived from the page, where there is one; says so where the rest of the page is not zero."""
    found = state.context
    if found is None:
        return
    if any(found.page[abi_of_context(found).size :]):
        context.note("SHARED_INFO holds Xen's structure only: the rest of the shared-info page is left out")
    writer.write_object(record_body(found))


def load_record(state: SharedInfo, run: RecordRun, context: Context) -> None:
    """Xen's record into the state's page, by the rules of ``pages.take_over``."""
    for record in run:
        state.store(take_over(record.decode(), state.context))


def record_octets(state: SharedInfo, context: Context) -> int:
    """Octets that Xen's record takes."""
    if state.context is None:
        return 0
    return record_size(size_of(SharedInfoBody) + len(record_body(state.context).buffer))


def show_record(record: Record, context: Context) -> JSON:
    """The flags, the ABI that they and the length tell, and the fields by name."""
    body: SharedInfoBody = record.decode()
    abi = record_abi(body)
    return {"flags": body.flags, "abi": abi.name, **to_json(decode(abi.layout, body.buffer))}


def diff(name: str, a: SharedInfo, b: SharedInfo, context: Context) -> Iterator[Difference]:
    """By field, and by octets in the rest of the page; machine frames of the host are told but not counted."""
    left, right = a.context, b.context
    if left is None or right is None:
        found = iter([("", "present" if left else None, "present" if right else None)] if left or right else [])
    else:
        found = _pages(left, right)
    for path, one, other in found:
        yield Difference(record_name(name, 0), path, one, other, counted=path not in FROM_FRAMES)


def _pages(a: SharedInfoContext, b: SharedInfoContext) -> Iterator[tuple[str, Any, Any]]:
    if a.abi != b.abi:
        yield "abi", a.abi, b.abi
        yield from octet_differences("page", a.page, b.page)
        return
    yield from differences(struct_of(a), struct_of(b))
    size = abi_of_context(a).size
    yield from octet_differences("page", bytes(size) + a.page[size:], bytes(size) + b.page[size:])


def new_state(machine: Machine) -> StoredSharedInfo:
    """An empty state."""
    return StoredSharedInfo()


diff_page: Final = partial(diff, "SHARED_INFO_PAGE")
diff_record: Final = partial(diff, "SHARED_INFO")
