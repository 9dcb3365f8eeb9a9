"""Every bundled record type is held to the contract, by a test class in its plugin's folder."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from domctx.discovery import entry_points
from domctx.manager import Manager
from domctx.registry import Registry
from domctx.testing import RecordTypeContract

FOLDER = Path(__file__).parent


def contracts() -> Iterator[type[RecordTypeContract]]:
    """The contract classes in the tests of the plugins."""
    for path in sorted(FOLDER.glob("*/test_*.py")):
        if "RecordTypeContract" not in path.read_text():
            continue
        spec = importlib.util.spec_from_file_location(f"contract_of_{path.parent.name}_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        del sys.modules[spec.name]
        for _, found in inspect.getmembers(module, inspect.isclass):
            if issubclass(found, RecordTypeContract) and found is not RecordTypeContract:
                yield found


def test_every_bundled_type_keeps_the_contract() -> None:
    """There is a contract class for each record type that comes with domctx."""
    found = [point for point in entry_points(sys.path) if point.distribution == "domctx"]
    bundled = {bound.type.name: bound.type for bound in Registry.resolve(Manager.load(found)).types.values()}
    covered = {contract.record_type.name: contract.record_type for contract in contracts()}
    assert sorted(set(bundled) - set(covered)) == []
    assert all(covered[name].code == kind.code for name, kind in bundled.items())
