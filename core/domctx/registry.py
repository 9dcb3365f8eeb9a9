"""What the plugins gave, resolved once: bound record types, schemes, states and commands; conflicts refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import attrs

from domctx.api import Command, Domain, Format, Images, Option, RecordType, StateKey, StateProvider, Target
from domctx.declaration import problems
from domctx.errors import DomctxError, PluginError
from domctx.handlers import Handlers, LayerError, check_readable, collect, guard
from domctx.manager import Manager, Plugin
from domctx.requires import Requires
from domctx.values import frozen
from domctx.wire import CORE_CODES, code_range

DATA_HOOKS: Final[Mapping[str, type[Any]]] = {
    "domctx_record_types": RecordType,
    "domctx_formats": Format,
    "domctx_state_providers": StateProvider,
    "domctx_commands": Command,
}


Body = type[Any]
"""The layout class of a record's body."""


@frozen
class BoundType:
    """A record type, the plugin that it comes from, and its handlers in both directions."""

    type: RecordType
    plugin: Plugin
    saving: Handlers
    loading: Handlers
    others: tuple[Plugin, ...] = ()
    """Every plugin in use: it may be that of the domain, or of another state, in which a handler fails."""

    @property
    def layout(self) -> Body | None:
        """The layout class of the body. Raises PluginError where the type names one that there is not."""
        return guard(lambda: _layout(self.type), self.suspects)

    @property
    def suspects(self) -> tuple[Plugin, ...]:
        """Every plugin whose code may run when a handler is called; the type's own first."""
        return (self.plugin, *(other for other in self.others if other is not self.plugin))

    def without_transforms(self) -> BoundType:
        """Itself with a save handler that transforms nothing: for a state that is shown or compared, not stored."""
        return attrs.evolve(self, saving=attrs.evolve(self.saving, nest=self.saving.accepting(())))


class Registry:
    """What the enabled plugins gave. Made by ``Registry.resolve``; read only afterwards."""

    def __init__(self, manager: Manager, commands: Iterable[str] = (), options: Iterable[str] = ()) -> None:
        self.manager = manager
        self._core_commands, self._core_options = frozenset(commands), frozenset(options)
        self.types: dict[int, BoundType] = {}
        self._claimed: dict[int, tuple[RecordType, Plugin]] = {}
        self.formats: dict[str, tuple[Format, Plugin]] = {}
        self.commands: dict[str, tuple[Command, Plugin]] = {}
        self.aliases: dict[str, tuple[Option, Plugin]] = {}
        self.providers: list[tuple[StateProvider, Plugin]] = []

    @classmethod
    def resolve(
        cls,
        manager: Manager,
        formats: Sequence[Format] = (),
        commands: Iterable[str] = (),
        options: Iterable[str] = (),
    ) -> Registry:
        """Ask every loaded plugin for what it adds; ``formats``, and ``commands`` and ``options`` by name, are taken.

        A plugin that raises, returns the wrong type, or claims what another has already is broken and left out, and
        the others are asked again without it.
        """
        while True:
            registry = cls(manager, commands, options)
            registry.formats = {own.scheme: (own, CORE) for own in formats}
            broken = registry._ask()
            if broken is None:
                return registry
            manager.break_(*broken)

    def states(self, images: Images) -> dict[StateKey[Any], BoundType]:
        """The record type of each state in one kind of image."""
        return {bound.type.state: bound for bound in self.types.values() if images & bound.type.images}

    def named(self, name: str) -> BoundType | None:
        """The record type of a name, in any case; None where there is none."""
        return next((bound for bound in self.types.values() if bound.type.name.lower() == name.lower()), None)

    def suspects(self, format: Format) -> tuple[Plugin, ...]:
        """Every plugin whose code may run when a function of a format is called; the format's own first."""
        return (self.formats[format.scheme][1], *self.manager.loaded())

    def attach(self, domain: Domain | Target) -> AttachedStates:
        """A domain or target with its states, third parties' included."""
        return AttachedStates(domain, self.providers)

    def _ask(self) -> tuple[Plugin, str] | None:
        """Ask all plugins; the first that is broken with its cause, or None. Bundled ones are asked first."""
        for plugin in sorted(self.manager.loaded(), key=lambda plugin: not plugin.bundled):
            try:
                for hook in DATA_HOOKS:
                    for item in self._answers(plugin, hook):
                        self._add(plugin, item)
            except DomctxError as error:
                return plugin, error.message
            except (Exception, SystemExit) as error:  # whatever a third party's hook raises is told with its name
                return plugin, f"{type(error).__name__}: {error}"
        try:
            self._collect()
        except LayerError as error:
            return error.plugin, error.cause
        return None

    def _answers(self, plugin: Plugin, hook: str) -> Iterator[Any]:
        relay = self.manager.relay
        others = [other for name, other in relay.list_name_plugin() if name != plugin.name and other is not None]
        caller = relay.subset_hook_caller(hook, others)
        for answer in caller() or [None] * bool(caller.get_hookimpls()):  # pluggy drops None
            if not isinstance(answer, list | tuple) or not all(isinstance(item, DATA_HOOKS[hook]) for item in answer):
                raise PluginError(f"{hook} returned {answer!r}, expected a list of {DATA_HOOKS[hook].__name__}")
            yield from answer

    def _add(self, plugin: Plugin, item: Any) -> None:
        for problem in problems(item):
            name = next(getattr(item, name) for name in ("name", "scheme", "key") if hasattr(item, name))
            raise PluginError(f"{type(item).__name__} {name}: {problem}")
        match item:
            case RecordType():
                self._add_type(plugin, item)
                self._add_aliases(plugin, item.options)
            case Format():
                _claim(self.formats, item.scheme, (item, plugin), "scheme")
                self._add_aliases(plugin, item.options)
            case Command() if item.name in self._core_commands:
                raise _conflict(f"command {item.name!r}", CORE)
            case Command():
                _claim(self.commands, item.name, (item, plugin), "command")
            case _:  # a StateProvider: there are no other hooks
                self.providers.append((item, plugin))

    def _add_type(self, plugin: Plugin, record_type: RecordType) -> None:
        code, name = record_type.code, record_type.name
        if not 0 <= code <= 0x7FFF_FFFF or code in CORE_CODES:
            raise PluginError(f"type code 0x{code:08x} of {name} is the core's own or out of range")
        range_ = code_range(code)
        if not plugin.bundled and range_.owner in ("xen", "bundled"):
            raise PluginError(f"type code 0x{code:08x} of {name} lies in the range of {range_.owner} types")
        if not plugin.bundled and "/" not in name:
            raise PluginError(f"record type name {name!r} has no namespace: name it vendor/type")
        for other, holder in self._claimed.values():
            if other.code == code:
                raise _conflict(f"type code 0x{code:08x}", holder)
            if other.name.lower() == name.lower():
                raise _conflict(f"record type name {name!r}", holder)
            if other.state == record_type.state and other.images & record_type.images:
                raise _conflict(f"state {record_type.state.name!r}", holder)
        self._claimed[code] = (record_type, plugin)

    def _add_aliases(self, plugin: Plugin, options: Sequence[Option]) -> None:
        """Several options may share an alias where it means the same: one name, and a value or none."""
        for option in options:
            if option.alias in self._core_options:
                raise _conflict(f"option --{option.alias}", CORE)
            if option.alias is not None:
                held, holder = self.aliases.setdefault(option.alias, (option, plugin))
                if (held.name, held.type is bool) != (option.name, option.type is bool):
                    raise _conflict(f"option --{option.alias}", holder)

    def _collect(self) -> None:
        others = tuple(self.manager.loaded())
        for code, (record_type, plugin) in sorted(self._claimed.items()):
            saving = collect(self.manager, "domctx_save", record_type)
            loading = collect(self.manager, "domctx_load", record_type)
            check_readable(saving, loading)
            self.types[code] = BoundType(record_type, plugin, saving, loading, others)


CORE: Final = Plugin("domctx:core", "domctx", "", "domctx")
"""How messages name the core where it claims something itself."""


def _layout(record_type: RecordType) -> Body | None:
    found = record_type.layout
    if found is not None:
        from domctx.schema.plan import layout_of

        layout_of(found)
    return found


def _claim(table: dict[str, Any], name: str, value: Any, kind: str) -> None:
    if name in table:
        raise _conflict(f"{kind} {name!r}", table[name][1])
    table[name] = value


def _conflict(what: str, holder: Plugin) -> PluginError:
    return PluginError(f"{what} is claimed by {holder.name} already")


class AttachedStates(Requires):
    """A domain or target together with the states that third parties provide for it; what else it has is its own."""

    def __init__(self, domain: Domain | Target, providers: Sequence[tuple[StateProvider, Plugin]]) -> None:
        self.domain = domain
        self._providers = providers
        self._provided: dict[StateKey[Any], Any] = {}
        self._asking: set[StateKey[Any]] = set()
        self.asked: set[StateKey[Any]] = set()
        """The states that were asked for so far."""
        self.derived_from: set[StateKey[Any]] = set()
        """Those that derived ones among them were made of."""
        self._looked_at: set[StateKey[Any]] = set()
        """What was looked at for the one that is being derived."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.domain, name)

    def state(self, key: StateKey[Any]) -> Any | None:
        """The domain's own state, or the first that a plugin provides; None where there is none.

        None too where a state is being derived from others and they lead back to it.
        """
        if self._asking:
            self._looked_at.add(key)
        else:
            self.asked.add(key)
            self._looked_at.clear()
        own = self.domain.state(key)
        if own is not None or key in self._asking:
            return own
        if key not in self._provided:
            self._asking.add(key)
            try:
                self._provided[key] = self._ask(key)
            finally:
                self._asking.remove(key)
            if not self._asking and self._provided[key] is not None:
                self.derived_from |= self._looked_at
        return self._provided[key]

    def provided(self) -> list[StateKey[Any]]:
        """The owned states that plugins provide for the domain and that it does not have itself."""
        keys = dict.fromkeys(provider.key for provider, _ in self._providers if provider.owned)
        return [key for key in keys if self.domain.state(key) is None and self.state(key) is not None]

    def owned(self) -> list[StateKey[Any]]:
        """The states that the domain owns, and those that plugins provide for it: what a save takes."""
        return [*cast("Domain", self.domain).owned_states(), *self.provided()]

    def _giving(self, provider: StateProvider) -> Callable[[], Any | None]:
        return lambda: provider.provide(self.domain if provider.owned else cast("Domain", self))

    def _ask(self, key: StateKey[Any]) -> Any | None:
        for provider, plugin in self._providers:
            if provider.key == key:
                state = guard(self._giving(provider), [plugin])
                if state is not None:
                    return state
        return None
