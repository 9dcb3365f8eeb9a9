"""Plugins are loaded one by one; one that fails is told with its cause and takes no other with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from domctx.discovery import EntryPoint, entry_points
from domctx.errors import PluginError, UsageError
from domctx.manager import Manager, Plugin
from helpers.distributions import ONE_TYPE, distribution

GOOD = ONE_TYPE


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on ``sys.path``; what is imported from it is forgotten afterwards."""
    before = set(sys.modules)
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load(site: Path, disabled: str = "", wanted: tuple[str, ...] = ()) -> Manager:
    """The plugins of one folder."""
    return Manager.load(entry_points([str(site)]), disabled=disabled, wanted=wanted)


def states(manager: Manager) -> dict[str, str]:
    """What became of each plugin."""
    return {plugin.name: plugin.status for plugin in manager.plugins}


def cause(manager: Manager) -> str:
    """Why the only broken plugin is broken."""
    (plugin,) = manager.broken()
    return plugin.cause


def test_loads_modules_and_attributes(site: Path) -> None:
    """An entry point names a module, or an object in one."""
    source = GOOD + "\nclass Inner:\n    hooks = __import__('sys').modules[__name__]\n"
    distribution(site, "acme-one", GOOD)
    distribution(site, "acme-two", source, entries={"main": "acme_two:Inner.hooks"})
    manager = load(site)
    assert states(manager) == {"acme-one:main": "loaded", "acme-two:main": "loaded"}
    assert [plugin.nearness("acme_one.records") for plugin in manager.loaded()] == [1, 0]
    assert all(manager.relay.has_plugin(plugin.name) for plugin in manager.plugins)
    manager.refuse_broken()


def test_hooks_by_another_name_and_of_objects(site: Path) -> None:
    """A hook may be marked with the name that it stands for, and be a method of the object that the entry names."""
    named = GOOD.replace("@hookimpl\ndef domctx_record_types", '@hookimpl(specname="domctx_record_types")\ndef types')
    assert named != GOOD
    method = (
        "from domctx import hookimpl\n\nclass Hooks:\n    @hookimpl\n    def domctx_formats(self):\n        return []\n"
    )
    distribution(site, "acme-one", named)
    distribution(site, "acme-two", f"{method}\nhooks = Hooks()\n", entries={"main": "acme_two:hooks"})
    manager = load(site)
    assert states(manager) == {"acme-one:main": "loaded", "acme-two:main": "loaded"}
    assert len(manager.relay.hook.domctx_record_types.get_hookimpls()) == 1
    assert len(manager.relay.hook.domctx_formats.get_hookimpls()) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise RuntimeError('two\\n  lines')", "RuntimeError: two lines"),
        ("import sys\nsys.exit('needs a newer kernel')", "SystemExit: needs a newer kernel"),
        ("def broken(:", "SyntaxError: "),
        (f"{GOOD}\n@hookimpl\ndef domctx_record_type(): pass", "unknown hook 'domctx_record_type'; the hooks are"),
        (f"{GOOD}\n@hookimpl\ndef domctx_save(record): pass", "PluginValidationError: .*'record'"),
        (f"{GOOD}\ndef domctx_formats(): return []", "hook 'domctx_formats' is not marked: put @hookimpl above it"),
        ("'''Nothing.'''", "it has no hook; the hooks are domctx_record_types, domctx_formats"),
        (f"{GOOD}\n@hookimpl(wrapper=True)\ndef domctx_save(record_type): pass", "PluginValidationError: .*generator"),
    ],
    ids=["import", "zero", "lines", "exit", "syntax", "misspelt", "argument", "unmarked", "nothing", "no-generator"],
)
def test_a_plugin_that_fails_is_told_with_its_cause(site: Path, source: str, message: str) -> None:
    """A plugin that cannot be used is broken, unregistered and named; the others stay in use."""
    distribution(site, "acme-bad", source)
    distribution(site, "acme-good", GOOD)
    manager = load(site)
    assert states(manager) == {"acme-bad:main": "broken", "acme-good:main": "loaded"}
    assert not manager.relay.has_plugin("acme-bad:main")
    with pytest.raises(PluginError, match=f"plugin acme-bad:main is broken: {message}") as caught:
        manager.refuse_broken()
    assert "DOMCTX_DISABLE_PLUGINS=acme-bad:main" in str(caught.value)


def test_the_hooks_that_are_named_are_the_real_ones(site: Path) -> None:
    """A misspelt hook of one plugin is not offered to the next as one that there is."""
    for name in ("acme-one", "acme-two"):
        distribution(site, name, f"{GOOD}\n@hookimpl\ndef domctx_{name[-3:]}(): pass")
    one, two = load(site).broken()
    assert "'domctx_one'" in one.cause
    assert "domctx_one" not in two.cause


def test_one_module_of_two_entry_points(site: Path) -> None:
    """A module that is an entry point twice is a plugin once; the second is broken and leaves the first in use."""
    distribution(site, "acme", GOOD, entries={"a": "acme", "b": "acme"})
    manager = load(site)
    assert states(manager) == {"acme:a": "loaded", "acme:b": "broken"}
    assert manager.relay.has_plugin("acme:a")
    assert "already registered" in cause(manager)


@pytest.mark.parametrize("name", ["acme-one:main", "acme-one", "*", " acme-one , acme-two:main"])
def test_disabled_plugins_are_not_imported(site: Path, name: str) -> None:
    """A plugin is disabled by its name, by its distribution, or by ``*``; then it is not imported, and never broken."""
    distribution(site, "acme-one", "raise SystemError")
    distribution(site, "acme-two", GOOD)
    manager = load(site, disabled=name)
    assert states(manager)["acme-one:main"] == "disabled"
    assert manager.broken() == []
    assert "acme_one" not in sys.modules


def test_disabled_by_entry_point(site: Path) -> None:
    """The name of an entry point disables every plugin of that name."""
    distribution(site, "acme-one", GOOD)
    assert states(load(site, disabled="main")) == {"acme-one:main": "disabled"}


def test_disabling_what_there_is_not(site: Path) -> None:
    """A disabled name that names nothing is refused, even where all others are there; ``*`` may name nothing."""
    with pytest.raises(UsageError, match="DOMCTX_DISABLE_PLUGINS names 'acme-two', but there is no such plugin"):
        load(site, disabled="acme-two")
    assert load(site, disabled="*,").plugins == []


def test_a_plugin_that_is_asked_for_is_there(site: Path) -> None:
    """A plugin that is asked for by name must be installed, enabled and whole."""
    distribution(site, "acme-good", GOOD)
    distribution(site, "acme-bad", "import not_there")
    assert load(site, wanted=("acme-good",)).loaded()
    with pytest.raises(UsageError, match="plugin 'acme-none' was asked for, but no installed distribution has it"):
        load(site, wanted=("acme-none",))
    with pytest.raises(UsageError, match="plugin acme-good:main was asked for, but DOMCTX_DISABLE_PLUGINS disables it"):
        load(site, disabled="acme-good", wanted=("acme-good",))
    with pytest.raises(PluginError, match="plugin acme-bad:main was asked for, but is broken: ModuleNotFoundError"):
        load(site, wanted=("acme-bad",))


def test_one_file_plugin(site: Path, tmp_path: Path) -> None:
    """A file is a plugin of its own, in ``sys.modules`` while it is executed; ``*`` does not disable it."""
    path = tmp_path / "my-plugin.py"
    path.write_text(f"{GOOD}\nimport sys\nassert sys.modules[__name__].record_type is record_type\n")
    manager = load(site, disabled="*", wanted=(str(path), str(path)))
    (plugin,) = manager.loaded()
    assert (plugin.name, plugin.distribution, plugin.installed) == (f"file:{path}", "file", False)
    assert plugin.nearness(plugin.module.__name__) == 1


def test_one_file_plugin_that_fails(site: Path, tmp_path: Path) -> None:
    """A file that cannot be executed is broken, and its module is forgotten."""
    path = tmp_path / "bad.py"
    path.write_text("import sys\nsys.marker = __name__\n1 / 0\n")
    assert cause(load(site, wanted=(str(path),))) == "ZeroDivisionError: division by zero"
    assert sys.__dict__.pop("marker") not in sys.modules


def test_one_file_plugin_without_suffix(site: Path, tmp_path: Path) -> None:
    """A path that is no Python file is broken with that cause."""
    path = tmp_path / "plugin.txt"
    path.touch()
    assert "is not a Python file" in cause(load(site, wanted=(str(path),)))


@pytest.mark.parametrize("name", ["none.py", "./none", "."])
def test_one_file_plugin_that_is_missing(site: Path, name: str) -> None:
    """A path that is no file is refused."""
    with pytest.raises(UsageError, match="there is no such plugin file" if name != "." else "was asked for"):
        load(site, wanted=(name,))


def test_bundled_plugins_are_those_of_domctx() -> None:
    """A plugin of the distribution domctx is a bundled one; the package is the top of its module."""
    plugin = Plugin("domctx:cpu", "domctx", "0", "domctx_cpu.plugin:x")
    assert (plugin.bundled, plugin.nearness("domctx_cpu.records"), plugin.installed) == (True, 1, True)
    assert not Plugin("acme:cpu", "acme", "0", "acme").bundled


def test_entry_points_are_loaded_in_order(site: Path) -> None:
    """Whatever the order in which they were found, plugins are registered by (distribution, entry point)."""
    for name in ("b", "a"):
        distribution(site, f"acme-{name}", GOOD)
    found = [EntryPoint("acme-b", "main", "acme_b", "1"), EntryPoint("acme-a", "main", "acme_a", "1")]
    assert [plugin.name for plugin in Manager.load(found).loaded()] == ["acme-a:main", "acme-b:main"]
