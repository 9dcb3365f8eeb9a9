"""Tests of domctx.protocols: what the core and the toys hold of each other is what is declared."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from domctx import api, protocols
from domctx.context import HandlerContext, OpenContext
from domctx.image_domain import ImageDomain
from domctx.indexed import FileRecord
from domctx.records import StreamRecord, StreamRun, TypeWriter
from domctx.sinks import BytesSink, CountingSink, DigestSink, FileSink, ProgressSink
from domctx.sources import BytesSource, DigestSource, FileSource, ProgressSource, RangeSource


@pytest.mark.parametrize(
    ("protocol", "classes"),
    [
        (protocols.Sink, [BytesSink, CountingSink, DigestSink, FileSink, ProgressSink]),
        (protocols.Source, [BytesSource, DigestSource, FileSource, ProgressSource, RangeSource]),
        (protocols.Record, [StreamRecord]),
        (protocols.RecordRun, [StreamRun]),
        (protocols.RecordWriter, [TypeWriter]),
        (protocols.IndexedRecord, [FileRecord]),
        (protocols.Context, [HandlerContext]),
        (protocols.FormatContext, [OpenContext]),
        (protocols.Domain, [ImageDomain]),
    ],
)
def test_every_method_is_there_with_its_parameters(protocol: Any, classes: list[Any]) -> None:
    """By the names and defaults that plugins rely on."""
    methods = {name: value for name, value in vars(protocol).items() if inspect.isfunction(value) and name[0] != "_"}
    for each in classes:
        for name, method in methods.items():
            declared = [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]
            found = [(p.name, p.kind, p.default) for p in inspect.signature(getattr(each, name)).parameters.values()]
            assert found == declared, f"{each.__name__}.{name}"


def test_the_api_gives_them_all() -> None:
    """Plugins import from one place."""
    names = [name for name, value in vars(protocols).items() if getattr(value, "_is_protocol", False)]
    assert len(names) > 9
    assert all(getattr(api, name) is getattr(protocols, name) for name in names if name != "Protocol")
