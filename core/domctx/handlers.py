"""Binding a record type to its handlers: wrappers nested, transforms known by name, failures told by plugin."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from domctx.api import RecordType, Transformed
from domctx.disk import met_anywhere
from domctx.errors import DomctxError, PluginError
from domctx.manager import Manager, Plugin
from domctx.trace import Tell, name_of, traced
from domctx.values import frozen

if TYPE_CHECKING:
    import pluggy

T = TypeVar("T")
Handler = Callable[..., None]


@frozen
class Layer:
    """One wrapper of a handler: the plugin, and the hook implementation that decorates what it is sent."""

    plugin: Plugin
    function: Callable[..., Any]
    tell: Tell | None = None
    """Who is told of the calls of what it returns; None: nobody."""
    what: str = ""
    """What they are told: ``save CPU: acme-tpm:watch``."""


@frozen
class Nest:
    """A handler with its wrappers around it, and the transforms among them as a save applies them, one by one."""

    handler: Handler
    transforms: tuple[str, ...] = ()
    owners: tuple[Plugin, ...] = ()
    """Whose each transform is."""
    overheads: tuple[int, ...] = ()
    """Octets by which each may lengthen a body."""


@frozen
class Handlers:
    """A record type's handlers of one direction: the base, the wrappers innermost first, and all of them nested."""

    record_type: RecordType
    base: Handler
    layers: tuple[Layer, ...]
    nest: Nest

    def accepting(self, transforms: Sequence[str]) -> Nest:
        """The nest with just the transforms that an image lists; wrappers that only watch stay."""
        if set(self.nest.transforms) <= set(transforms):
            return self.nest
        return nest(self.record_type, self.base, self.layers, transforms)

    def longest(self, transforms: Sequence[str]) -> int:
        """Octets of the longest body that may stand in an image which lists these transforms."""
        overheads = dict(zip(self.nest.transforms, self.nest.overheads, strict=True))
        return self.record_type.max_body + sum(overheads.get(name, 0) for name in transforms)


def nest(
    record_type: RecordType, base: Handler, layers: Sequence[Layer], accepted: Sequence[str] | None = None
) -> Nest:
    """Nest ``base`` into ``layers``; of the transforms only those in ``accepted`` (None: all).

    Raises LayerError where a wrapper fails.
    """
    found = Nest(plain(base))
    for layer in layers:
        wrapped = wrap(layer, record_type, found.handler)
        if not isinstance(wrapped, Transformed):
            found = attrs.evolve(found, handler=plain(traced(wrapped, layer.what, layer.tell), layer.plugin))
        elif "/" not in wrapped.name:
            raise LayerError(layer.plugin, f"its transform {wrapped.name!r} has no namespace: name it vendor/name")
        elif wrapped.name in found.transforms:
            raise LayerError(layer.plugin, f"its transform {wrapped.name!r} of {record_type.name} is there already")
        elif not isinstance(wrapped.overhead, int) or wrapped.overhead < 0:
            raise LayerError(layer.plugin, f"its transform {wrapped.name!r} has an overhead of {wrapped.overhead!r}")
        elif accepted is None or wrapped.name in accepted:
            handler = plain(traced(wrapped.handler, layer.what, layer.tell), layer.plugin)
            found = Nest(
                handler,
                (*found.transforms, wrapped.name),
                (*found.owners, layer.plugin),
                (*found.overheads, wrapped.overhead),
            )
    return found


def plain(handler: Handler, plugin: Plugin | None = None) -> Handler:
    """The handler, held to be a plain function: a generator or coroutine has done nothing when it is returned."""

    def call(*arguments: Any) -> None:
        found: Any = handler(*arguments)  # type: ignore[func-returns-value]  # of one that is wrong, not None
        if found is not None:
            returned = f"it returned a {type(found).__name__}"
            message = f"{name_of(handler)} is no plain function that returns nothing: {returned}"
            raise PluginError(message) if plugin is None else failure(plugin, message)

    return call


def check_readable(saving: Handlers, loading: Handlers) -> None:
    """Raises LayerError for a transform that a save applies and no load undoes: nobody could read what it writes."""
    undone = dict(zip(loading.nest.transforms, loading.nest.overheads, strict=True))
    done = saving.nest
    for name, owner, overhead in zip(done.transforms, done.owners, done.overheads, strict=True):
        what = f"its transform {name!r} of {saving.record_type.name}"
        if name not in undone:
            raise LayerError(owner, f"{what} is for saving only")
        if undone[name] < overhead:
            sides = f"{overhead} where it saves, and {undone[name]} where it loads"
            raise LayerError(owner, f"{what} has an overhead of {sides}")


class LayerError(PluginError):
    """A wrapper failed while the handlers were nested; carries its plugin."""

    named = True

    def __init__(self, plugin: Plugin, cause: str) -> None:
        super().__init__(f"plugin {plugin.name}: {cause}")
        self.plugin = plugin
        self.cause = cause


def wrap(layer: Layer, record_type: RecordType, inner: Handler) -> Handler | Transformed:
    """Drive one wrapper: send it the inner handler, take what it returns.

    Raises LayerError where it fails or returns something that is no handler.
    """
    generator: Generator[None, Handler, Any] = layer.function(record_type=record_type)
    try:
        next(generator)
        generator.send(inner)
    except StopIteration as stop:
        if callable(stop.value) or isinstance(stop.value, Transformed):
            return stop.value  # type: ignore[no-any-return]
        raise LayerError(layer.plugin, f"its wrapper returned {stop.value!r}, not a handler") from None
    except (Exception, SystemExit) as error:
        raise LayerError(layer.plugin, f"its wrapper raised {type(error).__name__}: {error}") from error
    raise LayerError(layer.plugin, "its wrapper yields twice")


def failure(plugin: Plugin, message: str) -> PluginError:
    """A PluginError that names the plugin."""
    return _blamed(PluginError(message), plugin)


def _blamed(error: PluginError, plugin: Plugin) -> PluginError:
    """The error itself, which names the plugin from here on."""
    error.named = True
    error.message = f"plugin {plugin.name}: {error.message}"
    error.hint = error.hint or f"this is a bug in {plugin.distribution}, report it there"
    return error


def collect(manager: Manager, hook: str, record_type: RecordType) -> Handlers:
    """The handlers of one direction: ``hook`` is ``domctx_save`` or ``domctx_load``."""
    by_name = {plugin.name: plugin for plugin in manager.plugins}
    what = f"{hook.removeprefix('domctx_')} {record_type.name}"
    implementations = getattr(manager.relay.hook, hook).get_hookimpls()
    found = [(impl.wrapper, _layer(by_name[impl.plugin_name], impl, manager.trace, what)) for impl in implementations]
    layers = [layer for wrapper, layer in found if wrapper]
    others = [layer for wrapper, layer in found if not wrapper]
    declared = record_type.save if hook == "domctx_save" else record_type.load
    # what pluggy calls first is listed last: the last of the others decides, the first wrapper is the innermost
    base = next(filter(None, (_ask(layer, record_type) for layer in reversed(others))), declared)
    base = traced(base, f"{what}: {name_of(base)}", manager.trace)
    return Handlers(record_type, base, tuple(layers), nest(record_type, base, layers))


def _layer(plugin: Plugin, impl: pluggy.HookImpl, tell: Tell | None, what: str) -> Layer:
    """A hook implementation; it may leave out the argument, as pluggy lets it."""
    function = impl.function if impl.argnames else lambda record_type: impl.function()
    return Layer(plugin, function, tell, f"{what}: {plugin.name}")


def _ask(layer: Layer, record_type: RecordType) -> Handler | None:
    """The handler that a plugin puts in the place of the declared one, or None."""
    try:
        handler = layer.function(record_type=record_type)
    except (Exception, SystemExit) as error:
        raise LayerError(layer.plugin, f"its hook raised {type(error).__name__}: {error}") from error
    if handler is not None and not callable(handler):
        raise LayerError(layer.plugin, f"its hook returned {handler!r}, not a handler")
    return handler  # type: ignore[no-any-return]  # whatever is callable


def guard(call: Callable[[], T], suspects: Sequence[Plugin]) -> T:
    """Call a handler; what is not a DomctxError becomes a PluginError that names the plugin at fault.

    What any call may meet (``met_by``) is nobody's fault, and a DomainError.

    The plugin is the one whose code raised, as ``culprit`` finds it; the first of ``suspects``, which is the record
    type's own plugin, where none did. A plugin that ends the process is at fault, too; where somebody else does (a
    handler of signals), it ends.
    """
    try:
        return call()
    except PluginError as error:
        if not error.named:
            _blamed(error, culprit(error, suspects) or suspects[0])
        raise
    except DomctxError:
        raise
    except SystemExit as error:
        ended_by = _owner(_modules(error)[-1], suspects)
        if ended_by is None:
            raise
        raise failure(ended_by, f"it ends the process: SystemExit: {error}") from error
    except Exception as error:
        met = met_by(error, suspects)
        if met is not None:
            raise met from error
        plugin = culprit(error, suspects) or suspects[0]
        raise failure(plugin, f"{type(error).__name__}: {error}") from error


def guard_each(call: Callable[[], Iterable[T]], suspects: Sequence[Plugin]) -> Iterator[T]:
    """As ``guard``, for a handler whose results are gone through one by one while it runs."""
    items = guard(lambda: iter(call()), suspects)
    done = object()
    while True:
        item = guard(lambda: next(items, done), suspects)
        if item is done:
            return
        yield item  # type: ignore[misc]  # what is not the mark is an item


def met_by(error: BaseException, suspects: Sequence[Plugin]) -> DomctxError | None:
    """The DomctxError of what any call may meet, with the plugin in whose code it did; None of any other error."""
    met = met_anywhere(error)
    plugin = culprit(error, suspects) if met is not None else None
    if met is not None and plugin is not None:
        met.message = f"plugin {plugin.name}: {met.message}"
    return met


def culprit(error: BaseException, suspects: Sequence[Plugin]) -> Plugin | None:
    """The plugin in whose code the innermost frame of the traceback lies; None where no frame is a plugin's."""
    owners = (_owner(module, suspects) for module in reversed(_modules(error)))
    return next(filter(None, owners), None)


def _modules(error: BaseException) -> list[str]:
    """The module of each frame of the traceback, the innermost last."""
    import traceback  # every command comes by here, and few have one to look at

    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return [str(frame.f_globals.get("__name__", "")) for frame in frames]


def _owner(module: str, plugins: Sequence[Plugin]) -> Plugin | None:
    """Whose code a module is: of several plugins in one package, which may be a namespace, that of the nearest."""
    nearest = max(plugins, key=lambda plugin: plugin.nearness(module), default=None)
    return nearest if nearest is not None and nearest.nearness(module) else None
