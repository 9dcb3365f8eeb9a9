"""Plugins made in a test: plain objects with hooks, registered as those of some distribution."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

from domctx.api import Command, Format, RecordType, StateProvider
from domctx.hookspecs import hookimpl
from domctx.manager import Manager, Plugin


def plugin(
    *,
    record_types: Sequence[RecordType] | None = None,
    formats: Sequence[Format] | None = None,
    providers: Sequence[StateProvider] | None = None,
    commands: Sequence[Command] | None = None,
    **hooks: Callable[..., Any],
) -> Any:
    """An object with hooks that return these; ``hooks`` are others, by name, marked already."""
    module = types.ModuleType("a_plugin")
    vars(module).update(hooks)
    answers = {
        "domctx_record_types": record_types,
        "domctx_formats": formats,
        "domctx_state_providers": providers,
        "domctx_commands": commands,
    }
    for name, answer in answers.items():
        if answer is not None:
            setattr(module, name, hookimpl(lambda answer=answer: answer))
    return module


def manager_of(plugins: dict[str, Any], package: str = __name__) -> Manager:
    """A manager with these plugins: distribution to object, each as the entry point ``main``."""
    manager = Manager()
    for distribution, module in sorted(plugins.items()):
        found = Plugin(f"{distribution}:main", distribution, "1.0", package, module=module)
        manager.plugins.append(found)
        manager.relay.register(module, found.name)
    return manager
