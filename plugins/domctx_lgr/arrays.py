"""Reads the variants whose page types and pages are two arrays: A0, A1, A2, A3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from domctx.schema import decode
from domctx_cpu.layout import CONTEXT_SIZE, FullExecutionContext
from domctx_lgr.content import (
    Content,
    Contiguous,
    check_context,
    check_frame_page,
    check_types,
    take,
    words,
)
from domctx_lgr.layout import CONTEXT, FRAME_LIST, PAGES, SHARED_INFO, Header, Variant, array_size
from domctx_x86 import PAGE_SIZE

if TYPE_CHECKING:
    from domctx_lgr.files import Octets


def read_blocks(octets: Octets, header: Header, variant: Variant) -> tuple[FullExecutionContext, bytes | None, bytes]:
    """Context, shared info and frame list of a variant that has them before its pages. Raises StreamError."""
    at = variant.offset(CONTEXT)
    context = decode(FullExecutionContext, take(octets, at, CONTEXT_SIZE, "context"))
    check_context(context, header.nr_pfns, at)
    shared = None
    if SHARED_INFO in variant.blocks:
        shared = take(octets, variant.offset(SHARED_INFO), PAGE_SIZE, "shared info")
    at = variant.offset(FRAME_LIST)
    frame_page = take(octets, at, PAGE_SIZE, "frame list")
    check_frame_page(frame_page, header.nr_pfns, at)
    return context, shared, frame_page


def read_array(octets: Octets, header: Header, variant: Variant) -> Content:
    """Everything before the pages. Raises StreamError for a cut, and for any number out of range."""
    context, shared, frame_page = read_blocks(octets, header, variant)
    at = variant.offset(PAGES)
    types = words(take(octets, at, 4 * header.nr_pfns, "page types"))
    check_types(types, at)
    return Content(
        variant=variant,
        header=header,
        context=context,
        shared_info=shared,
        frame_page=frame_page,
        types=types.astype(np.uint8),
        places=Contiguous(at + 4 * header.nr_pfns),
        end=array_size(variant, header.nr_pfns),
    )
