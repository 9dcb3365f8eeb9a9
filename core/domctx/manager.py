"""Loading plugins: each is imported and registered by itself, and one that fails takes no other with it."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import types
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, Final

import attrs
import pluggy

from domctx import hookspecs
from domctx.discovery import BUNDLED, EntryPoint, normalised
from domctx.errors import PluginError, UsageError
from domctx.later import imported
from domctx.trace import Tell

FILE: Final = "file"
"""What stands for the distribution of a one-file plugin."""


@attrs.define
class Plugin:
    """One plugin and what became of it: loaded, disabled, or broken with its ``cause``."""

    name: str
    """``distribution:entry``; ``file:PATH`` for a one-file plugin."""
    distribution: str
    version: str
    target: str
    status: str = "loaded"
    cause: str = ""
    module: Any = None

    @property
    def bundled(self) -> bool:
        """Whether it comes with domctx itself."""
        return self.distribution == BUNDLED

    @property
    def installed(self) -> bool:
        """Whether it was found as an installed distribution's, not given as a file."""
        return self.distribution != FILE

    def nearness(self, module: str) -> int:
        """How many names ``module`` begins with that its own module begins with, too: 0 for what is not its code."""
        own = self.target.partition(":")[0].split(".")
        pairs = zip(own, module.split("."), strict=False)
        return len([*takewhile(lambda pair: pair[0] == pair[1], pairs)])


class _Relay(pluggy.PluginManager):
    """Looks for hooks among a module's functions only: to look at all else takes longer than to import it."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> pluggy.HookimplOpts | None:
        """How a hook was marked; None for what is no hook."""
        if isinstance(plugin, types.ModuleType) and not inspect.isroutine(vars(plugin).get(name)):
            return None
        return super().parse_hookimpl_opts(plugin, name)


class Manager:
    """The loaded plugins. Passed in wherever it is needed, never global."""

    def __init__(self) -> None:
        self.relay = _Relay(hookspecs.PROJECT)
        self.relay.add_hookspecs(hookspecs)
        self.plugins: list[Plugin] = []
        self.trace: Tell | None = None
        """Who is told of each call of a handler; set before the registry is resolved."""

    @classmethod
    def load(cls, found: Iterable[EntryPoint], *, disabled: str = "", wanted: Sequence[str] = ()) -> Manager:
        """Load what was found, less what is ``disabled`` (names, or ``*``), and what is ``wanted`` besides.

        ``wanted`` are one-file plugins (``./file.py``), which ``*`` does not disable, and names of plugins that must
        be there. Raises UsageError for one that is missing, or for a disabled name that names nothing.
        """
        manager = cls()
        plugins = [Plugin(point.name, point.distribution, point.version, point.target) for point in sorted(found)]
        plugins += [_file_plugin(path) for path in dict.fromkeys(wanted) if _is_file(path)]
        manager.plugins = plugins
        manager._disable([name.strip() for name in disabled.split(",") if name.strip()])
        for plugin in plugins:
            if plugin.status == "loaded":
                manager._register(plugin)
        for name in wanted:
            if not _is_file(name):
                manager._require(name)
        return manager

    def named(self, name: str) -> list[Plugin]:
        """The plugins that ``name`` names: a whole name, a distribution (as pip would take it), or an entry point."""
        distribution, colon, entry = name.partition(":")
        wanted = {name, f"{normalised(distribution)}{colon}{entry}"}
        return [plugin for plugin in self.plugins if not wanted.isdisjoint((plugin.name, *plugin.name.split(":", 1)))]

    def broken(self) -> list[Plugin]:
        """The enabled plugins that could not be used."""
        return [plugin for plugin in self.plugins if plugin.status == "broken"]

    def loaded(self) -> list[Plugin]:
        """The plugins in use, in the order of registration."""
        return [plugin for plugin in self.plugins if plugin.status == "loaded"]

    def break_(self, plugin: Plugin, cause: str) -> None:
        """Unregister a plugin and keep its cause."""
        if self.relay.get_name(plugin.module) == plugin.name:
            self.relay.unregister(plugin.module)
        plugin.status, plugin.cause = "broken", cause

    def refuse_broken(self) -> None:
        """Raise PluginError where an enabled plugin is broken: nothing is saved or loaded without it."""
        for plugin in self.broken():
            raise PluginError(
                f"plugin {plugin.name} is broken: {plugin.cause}",
                hint=f"mend it, or leave it out with DOMCTX_DISABLE_PLUGINS={plugin.name}",
            )

    def _disable(self, names: Sequence[str]) -> None:
        for name in names:
            chosen = [plugin for plugin in self.plugins if plugin.installed] if name == "*" else self.named(name)
            if not chosen and name != "*":
                raise UsageError(
                    f"DOMCTX_DISABLE_PLUGINS names {name!r}, but there is no such plugin",
                    hint="`domctx plugins` lists the names",
                )
            for plugin in chosen:
                plugin.status = "disabled"

    def _require(self, name: str) -> None:
        chosen = self.named(name)
        if not chosen:
            raise UsageError(
                f"plugin {name!r} was asked for, but no installed distribution has it",
                hint="install it with pip, or give the path of a one-file plugin (./name.py)",
            )
        for plugin in chosen:
            if plugin.status == "disabled":
                raise UsageError(f"plugin {plugin.name} was asked for, but DOMCTX_DISABLE_PLUGINS disables it")
            if plugin.status == "broken":
                raise PluginError(f"plugin {plugin.name} was asked for, but is broken: {plugin.cause}")

    def _register(self, plugin: Plugin) -> None:
        try:
            plugin.module = imported(plugin.target) if plugin.installed else _load_file(plugin)
            self.relay.register(plugin.module, plugin.name)
            self._check_hooks(plugin.module)
        except (Exception, SystemExit) as error:  # whatever a third party's module raises is told with its name
            self.break_(plugin, _cause(error))

    def _check_hooks(self, module: Any) -> None:
        """Raises PluginError for a hook that there is not, and for one that was not marked."""
        found = {caller.name: caller.has_spec() for caller in self.relay.get_hookcallers(module) or []}
        known = [name for name, hook in vars(hookspecs).items() if name.startswith("domctx_") and callable(hook)]
        for name, specified in found.items():
            if not specified:
                raise PluginError(f"unknown hook {name!r}; the hooks are {', '.join(known)}")
        for name in known:
            if name not in found and callable(getattr(module, name, None)):
                raise PluginError(f"hook {name!r} is not marked: put @hookimpl above it")
        if not found:
            raise PluginError(f"it has no hook; the hooks are {', '.join(known)}")


def _cause(error: BaseException) -> str:
    if isinstance(error, PluginError):
        return error.message
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _is_file(name: str) -> bool:
    return name.endswith(".py") or "/" in name


def _file_plugin(path: str) -> Plugin:
    if not os.path.isfile(path):
        raise UsageError("there is no such plugin file", file=path)
    return Plugin(f"{FILE}:{path}", FILE, "0", path)


def _load_file(plugin: Plugin) -> Any:
    """Import a one-file plugin under a name of its own, put in ``sys.modules`` first."""
    import hashlib

    path = os.path.realpath(plugin.target)
    name = f"domctx_file_{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    plugin.target = name
    return module
