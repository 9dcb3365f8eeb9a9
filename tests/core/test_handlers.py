"""Handlers are nested into wrappers, transforms are known by name, and failures are told by plugin."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest

from domctx.api import Transformed
from domctx.errors import DomainError, PluginError
from domctx.handlers import LayerError, check_readable, collect, guard, guard_each
from domctx.hookspecs import hookimpl
from domctx.manager import Plugin
from helpers import bad_counters
from helpers.counters import COUNTER, SIZE, Counters, load, save
from helpers.plugins import manager_of, plugin

Log = list[str]


def watcher(log: Log, name: str) -> Any:
    """A wrapper that notes when its handler is called."""

    @hookimpl(wrapper=True)
    def domctx_save(record_type: Any) -> Generator[None, Any, Any]:
        inner = yield

        def handler(state: Any, writer: Any, context: Any) -> None:
            log.append(name)
            inner(state, writer, context)

        return handler

    return domctx_save


def transform(name: str, log: Log | None = None, overhead: Any = 0) -> Any:
    """A wrapper that says that it changes octets."""

    @hookimpl(wrapper=True)
    def domctx_save(record_type: Any) -> Generator[None, Any, Any]:
        inner = yield

        def handler(*arguments: Any) -> None:
            if log is not None:
                log.append(name)
            inner(*arguments)

        return Transformed(name, handler, overhead)

    return domctx_save


def saving(**hooks: Any) -> Any:
    """The counters' save handlers, wrapped by one plugin for each hook."""
    plugins = {name: plugin(domctx_save=hook) for name, hook in hooks.items()}
    return collect(manager_of({**plugins, "counters": plugin(record_types=[COUNTER])}), "domctx_save", COUNTER)


def test_without_wrappers_the_declared_handler_stands() -> None:
    """A type's own handlers are used, where nobody wraps them."""
    handlers = saving()
    assert (handlers.base, handlers.layers, handlers.nest.transforms) == (save, (), ())
    assert collect(manager_of({}), "domctx_load", COUNTER).base is load


def test_wrappers_nest_by_name() -> None:
    """Wrappers nest by distribution, whatever the order of installation; each calls the one inside."""
    log: Log = []
    handlers = saving(beta=watcher(log, "beta"), alpha=watcher(log, "alpha"))
    assert [layer.plugin.distribution for layer in handlers.layers] == ["alpha", "beta"]
    handlers.nest.handler(Counters(), None, None)
    assert log == ["beta", "alpha"]


def test_transforms_are_listed_as_a_save_applies_them() -> None:
    """The innermost transform gets the octets first, so it is listed first; watchers are not listed."""
    handlers = saving(a=transform("a/first"), b=watcher([], "b"), c=transform("c/second"))
    assert handlers.nest.transforms == ("a/first", "c/second")
    assert [owner.distribution for owner in handlers.nest.owners] == ["a", "c"]


def test_only_the_transforms_that_an_image_lists() -> None:
    """For an image that lists some transforms, the others are left out, and watchers stay."""
    log: Log = []
    handlers = saving(a=transform("a/x", log), b=watcher(log, "watcher"), c=transform("c/y", log))
    for accepted, expected in (((), ["watcher"]), (("c/y",), ["c/y", "watcher"]), (("a/x", "c/y", "d/z"), None)):
        log.clear()
        handlers.accepting(accepted).handler(Counters(), None, None)
        assert log == (expected or ["c/y", "watcher", "a/x"])
    assert handlers.accepting(("a/x", "c/y")) is handlers.nest


def test_a_plugin_may_put_its_own_handler_in_the_place_of_the_declared_one() -> None:
    """The hook that pluggy calls first decides; None leaves the decision to the next."""

    def other(state: Any, writer: Any, context: Any) -> None:
        """Nothing."""

    replaced = saving(a=hookimpl(lambda record_type: other), b=hookimpl(lambda record_type: None))
    assert replaced.base is other
    first = saving(a=hookimpl(tryfirst=True)(lambda record_type: other), b=hookimpl(lambda record_type: save))
    assert first.base is other


def test_a_hook_may_leave_out_its_argument() -> None:
    """A hook that does not look at the type is called without it."""

    @hookimpl(wrapper=True)
    def domctx_save() -> Generator[None, Any, Any]:
        inner = yield
        return inner

    assert saving(a=domctx_save, b=hookimpl(lambda: None)).base is save


def yields_never(record_type: Any) -> Generator[None, Any, Any]:
    """Returns before its yield."""
    if record_type is not None:
        return
    yield


def yields_twice(record_type: Any) -> Generator[None, Any, Any]:
    """Yields once too often."""
    yield
    yield


def fails_before(record_type: Any) -> Generator[None, Any, Any]:
    """Fails before its yield."""
    raise KeyError(record_type.name)
    yield


def fails_after(record_type: Any) -> Generator[None, Any, Any]:
    """Fails after its yield."""
    yield
    raise ValueError("not wrapped")


def returns_text(record_type: Any) -> Generator[None, Any, Any]:
    """Returns no handler."""
    yield
    return "a handler"


@pytest.mark.parametrize(
    ("wrapper", "message"),
    [
        (yields_never, "its wrapper returned None, not a handler"),
        (yields_twice, "its wrapper yields twice"),
        (fails_before, "its wrapper raised KeyError: 'acme/counter'"),
        (fails_after, "its wrapper raised ValueError: not wrapped"),
        (returns_text, "its wrapper returned 'a handler', not a handler"),
    ],
)
def test_wrappers_that_fail(wrapper: Callable[..., Any], message: str) -> None:
    """A wrapper that fails or returns no handler is told with its plugin."""
    with pytest.raises(LayerError, match=message) as caught:
        saving(acme=hookimpl(wrapper=True)(wrapper))
    assert (caught.value.plugin.name, str(caught.value)) == ("acme:main", f"plugin acme:main: {caught.value.cause}")


def test_hooks_that_fail() -> None:
    """A hook that raises, or returns no handler, is told with its plugin."""
    with pytest.raises(LayerError, match="plugin acme:main: its hook returned 3, not a handler"):
        saving(acme=hookimpl(lambda record_type: 3))
    with pytest.raises(LayerError, match="plugin acme:main: its hook raised ZeroDivisionError: "):
        saving(acme=hookimpl(lambda record_type: 1 // 0))


def test_a_transform_stands_once() -> None:
    """Two transforms of one name on one type are refused: nobody could tell them apart in an image."""
    with pytest.raises(LayerError, match="plugin b:main: its transform 'acme/x' of acme/counter is there already"):
        saving(a=transform("acme/x"), b=transform("acme/x"))


def test_a_transform_has_a_namespace() -> None:
    """A transform's name says whose it is: an image that lists it tells what is missing."""
    with pytest.raises(LayerError, match="its transform 'x' has no namespace: name it vendor/name"):
        saving(a=transform("x"))


def test_a_transform_can_be_undone() -> None:
    """A transform for saving only is refused: nobody could read what it writes. One for loading reads old images."""
    plain, changing = saving(), saving(acme=transform("acme/x"))
    check_readable(changing, changing)
    check_readable(plain, changing)
    with pytest.raises(LayerError, match="plugin acme:main: its transform 'acme/x' of acme/counter is for saving only"):
        check_readable(changing, plain)


def test_a_transform_can_undo_what_it_lengthens() -> None:
    """One that loads shorter bodies than it saves is refused, and so is an overhead that is none."""
    shorter, longer = (saving(acme=transform("acme/x", overhead=octets)) for octets in (7, 8))
    assert [each.longest(("acme/x",)) for each in (shorter, longer)] == [SIZE + 7, SIZE + 8]
    assert longer.longest(()) == SIZE
    check_readable(shorter, longer)
    message = "'acme/x' of acme/counter has an overhead of 8 where it saves, and 7 where it loads"
    with pytest.raises(LayerError, match=message):
        check_readable(longer, shorter)
    for odd in (-1, 1.5):
        with pytest.raises(LayerError, match=f"its transform 'acme/x' has an overhead of {odd}"):
            saving(acme=transform("acme/x", overhead=odd))


def suspect(name: str, module: str) -> Plugin:
    """A plugin of a module."""
    return Plugin(f"{name}:main", name, "1.0", module)


def test_guard_lets_results_and_refusals_pass() -> None:
    """What a handler returns or refuses passes as it is."""
    assert guard(lambda: 5, [suspect("acme", "acme")]) == 5

    def refuse() -> None:
        raise DomainError("not today")

    with pytest.raises(DomainError, match=r"^not today$"):
        guard(refuse, [suspect("acme", "acme")])


def test_guard_each_goes_through_results_one_by_one() -> None:
    """Results come as they are made; what is raised between them, or instead of them, names the plugin."""
    suspects = [suspect("acme", "acme")]

    def counting(last: int) -> Generator[int, None, None]:
        yield 12 // last
        yield 12 // (last - 1)

    assert list(guard_each(lambda: counting(3), suspects)) == [4, 6]
    assert list(guard_each(list, suspects)) == []
    found = guard_each(lambda: counting(1), suspects)
    assert next(found) == 12
    with pytest.raises(PluginError, match="plugin acme:main: ZeroDivisionError"):
        next(found)
    nothing: Any = None
    with pytest.raises(PluginError, match="plugin acme:main: TypeError: 'NoneType' object is not iterable"):
        list(guard_each(lambda: nothing, suspects))


def test_guard_names_the_plugin_whose_code_raised() -> None:
    """The plugin at fault is the one in whose package the innermost frame lies; the type's own where there is none."""
    here = __name__.partition(".")[0]
    suspects = [suspect("acme", "acme_tpm.plugin"), suspect("wrapper", f"{here}:main"), suspect("helper", "helpers")]
    with pytest.raises(PluginError, match=r"plugin wrapper:main: ZeroDivisionError: .*\n.*a bug in wrapper") as caught:
        guard(lambda: 1 // 0, suspects)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(PluginError, match="plugin acme:main: ZeroDivisionError"):
        guard(lambda: 1 // 0, suspects[:1])
    helper: Callable[..., None] = bad_counters.save_with_key_error
    with pytest.raises(PluginError, match="plugin helper:main: AttributeError"):
        guard(lambda: helper(Counters(), None, None), suspects)


def test_guard_knows_what_any_call_may_meet() -> None:
    """It is refused with the plugin in whose code it was met, which is not blamed for it; the cause is kept."""

    def fail() -> None:
        raise OSError(errno.EIO, "words", "f")

    here = suspect("wrapper", __name__.partition(".")[0])
    for suspects, told in (([here], "f: plugin wrapper:main: "), ([suspect("acme", "acme")], "f: ")):
        with pytest.raises(DomainError, match=f"^{told}Input/output error$") as caught:
            guard(fail, suspects)
        assert isinstance(caught.value.__cause__, OSError)


def test_guard_names_the_plugin_that_broke_the_rules() -> None:
    """What the core refuses of a handler is told with its plugin, and once; what it knew already stays."""

    def refuse() -> None:
        raise PluginError("the type has instance 0 only", record="ACME[1]", hint="number it 0")

    def outer() -> None:
        guard(refuse, [suspect("acme", "acme")])

    with pytest.raises(PluginError) as caught:
        guard(outer, [suspect("beta", "beta")])
    assert str(caught.value) == "in ACME[1]: plugin acme:main: the type has instance 0 only\n  number it 0"
    here = __name__.partition(".")[0]
    with pytest.raises(PluginError, match="plugin wrapper:main: the type has instance 0 only"):
        guard(refuse, [suspect("acme", "acme"), suspect("wrapper", f"{here}:main")])


def test_guard_knows_a_namespace_of_many_vendors() -> None:
    """Of several plugins in one package the one is named whose module is nearest; the first where all are."""
    suspects = [suspect("tpm", "helpers.tpm.plugin"), suspect("bad", "helpers.bad_counters"), suspect("z", "helpers.z")]
    helper: Callable[..., None] = bad_counters.save_with_key_error
    with pytest.raises(PluginError, match="plugin bad:main: AttributeError"):
        guard(lambda: helper(Counters(), None, None), suspects)
    with pytest.raises(PluginError, match="plugin tpm:main: AttributeError"):
        guard(lambda: helper(Counters(), None, None), suspects[::2])


def test_a_plugin_ends_no_process() -> None:
    """SystemExit out of a plugin's own code is a bug of the plugin; out of anything else it ends what it ends."""
    here = __name__.partition(".")[0]
    told = r"plugin acme:main: it ends the process: SystemExit: 0\n.* a bug in acme"
    with pytest.raises(PluginError, match=told):
        guard(lambda: sys.exit(0), [suspect("other", "other"), suspect("acme", here)])
    with pytest.raises(SystemExit):
        guard(lambda: sys.exit(0), [suspect("other", "other")])


def generator(*arguments: Any) -> Any:
    """No handler: nothing of it runs before somebody asks for its first item."""
    yield arguments


def test_handlers_are_plain_functions() -> None:
    """One that is a generator has done nothing when it returns: it is refused, also wrapped, traced, or a wrapper's."""

    @hookimpl(wrapper=True)
    def yielding(record_type: Any) -> Generator[None, Any, Any]:
        yield
        return generator

    told: list[str] = []
    expected = rf"{__name__}.generator is no plain function that returns nothing: it returned a generator"
    for hooks in ({"a": hookimpl(lambda: generator)}, {"a": hookimpl(lambda: generator), "b": watcher([], "b")}):
        with pytest.raises(PluginError, match=f"^{expected}$"):
            saving(**hooks).nest.handler(Counters(), None, None)
    manager = manager_of({"acme": plugin(domctx_save=yielding)})
    manager.trace = told.append
    with pytest.raises(PluginError, match=f"plugin acme:main: {expected}"):
        collect(manager, "domctx_save", COUNTER).nest.handler(Counters(), None, None)
    assert len(told) == 1
