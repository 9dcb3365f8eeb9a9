"""What plugins add is resolved once; whatever is claimed twice is refused, naming both claimants."""

from __future__ import annotations

import re
from typing import Any

import pytest

from domctx.api import Command, Format, Images, Machine, Option, StateKey, StateProvider
from domctx.errors import DomainError, PluginError
from domctx.hookspecs import hookimpl
from domctx.manager import Manager
from domctx.references import IMAGE_FORMAT
from domctx.registry import Registry
from domctx.testing import StatesDomain
from helpers.counters import COUNTER, COUNTERS, Counters, changed
from helpers.plugins import manager_of, plugin

OTHER: StateKey[Any] = StateKey("acme/other")


def resolve(**plugins: Any) -> Registry:
    """The registry of plugins by distribution."""
    return Registry.resolve(manager_of(plugins), [IMAGE_FORMAT])


def causes(registry: Registry) -> dict[str, str]:
    """Why each broken plugin is broken."""
    return {found.name: found.cause for found in registry.manager.broken()}


def test_types_are_found_by_code_name_and_state() -> None:
    """A record type is found by its code, by its name in any case, and by its state in each kind of image."""
    plain = changed(code=0x7FFF_0002, name="acme/plain", images=Images.PLAIN)
    registry = resolve(acme=plugin(record_types=[plain, COUNTER]))
    assert list(registry.types) == [COUNTER.code, plain.code]
    found = registry.named("ACME/Counter")
    assert found is registry.types[COUNTER.code]
    assert registry.named("acme/none") is None
    assert registry.states(Images.DOMCTX) == {COUNTERS: found}
    assert registry.states(Images.PLAIN)[COUNTERS].type is plain
    assert [suspect.name for suspect in found.suspects] == ["acme:main"]


def test_formats_and_commands_are_found_by_name() -> None:
    """Schemes and commands come with the plugin that they are from; the core's own scheme is the core's."""
    command = Command("tpm", "about TPMs", "acme:command")
    registry = resolve(acme=plugin(formats=[Format(scheme="acme", summary="")], commands=(command,)))
    assert sorted(registry.formats) == ["acme", "dctx"]
    assert registry.formats["dctx"][1].name == "domctx:core"
    assert (registry.commands["tpm"][0], registry.commands["tpm"][1].name) == (command, "acme:main")


def with_option(scheme: str, kind: Any) -> Format:
    """A format whose option has the alias ``--where``."""
    return Format(scheme=scheme, summary="", options=(Option("where", kind, "", alias="where"), Option("how", str, "")))


OPTIONED = changed(options=with_option("", str).options)


def test_aliases_are_shared_by_what_means_the_same() -> None:
    """Two formats and a record type may have one alias for options of one name that all take a value."""
    registry = resolve(alpha=plugin(formats=[with_option("a", str), with_option("b", int)], record_types=[OPTIONED]))
    assert causes(registry) == {}
    option, holder = registry.aliases["where"]
    assert (option.name, holder.name, list(registry.aliases)) == ("where", "alpha:main", ["where"])


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"record_types": [COUNTER]}, {"record_types": [changed(name="b/x", state=OTHER)]}, "type code 0x7fff0001 is"),
        (
            {"record_types": [COUNTER]},
            {"record_types": [changed(name="ACME/counter", code=0x7FFF_0002, state=OTHER)]},
            "record type name 'ACME/counter' is",
        ),
        (
            {"record_types": [COUNTER]},
            {"record_types": [changed(name="b/x", code=0x7FFF_0002)]},
            "state 'acme/counters' is",
        ),
        ({"formats": [Format(scheme="a", summary="")]}, {"formats": [Format(scheme="a", summary="")]}, "scheme 'a' is"),
        ({"commands": [Command("a", "", "")]}, {"commands": [Command("a", "", "")]}, "command 'a' is"),
        ({"formats": [with_option("a", bool)]}, {"record_types": [OPTIONED]}, "option --where is"),
    ],
    ids=["code", "name", "state", "scheme", "command", "alias"],
)
def test_claimed_twice(first: Any, second: Any, message: str) -> None:
    """A code, name, state, scheme or command that two plugins claim: the second is broken, and both are named."""
    registry = resolve(alpha=plugin(**first), beta=plugin(**second, providers=[]))
    assert causes(registry) == {"beta:main": f"{message} claimed by alpha:main already"}
    with pytest.raises(PluginError, match=r"plugin beta:main is broken: .* claimed by alpha:main already"):
        registry.manager.refuse_broken()


def test_core_scheme_is_taken() -> None:
    """The core's own scheme cannot be claimed."""
    registry = resolve(acme=plugin(formats=[Format(scheme="dctx", summary="")]))
    assert causes(registry) == {"acme:main": "scheme 'dctx' is claimed by domctx:core already"}


def test_core_commands_are_taken() -> None:
    """The core's own commands cannot be claimed."""
    manager = manager_of({"acme": plugin(commands=[Command("info", "", "")])})
    registry = Registry.resolve(manager, [], ["info"])
    assert causes(registry) == {"acme:main": "command 'info' is claimed by domctx:core already"}
    assert registry.commands == {}


def test_core_options_are_taken() -> None:
    """An alias that a command's own option has would never be asked for."""
    manager = manager_of({"acme": plugin(formats=[with_option("acme", str)])})
    registry = Registry.resolve(manager, [], [], ["where"])
    assert causes(registry) == {"acme:main": "option --where is claimed by domctx:core already"}
    assert registry.aliases == {}


def test_bundled_plugins_claim_first() -> None:
    """Where a third party claims what a bundled plugin has, the third party is broken, whatever its name."""
    bundled = changed(code=0x0001_0999, name="COUNTER")
    registry = resolve(domctx=plugin(record_types=[bundled]), aaa=plugin(record_types=[COUNTER]))
    assert causes(registry) == {"aaa:main": "state 'acme/counters' is claimed by domctx:main already"}
    assert list(registry.types) == [0x0001_0999]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (changed(code=0x0001_0999), "type code 0x00010999 of acme/counter lies in the range of bundled types"),
        (changed(code=4), "type code 0x00000004 of acme/counter lies in the range of xen types"),
        (changed(code=0x0001_FFFF), "type code 0x0001ffff of acme/counter is the core's own or out of range"),
        (changed(code=0x8001_0999), "type code 0x80010999 of acme/counter is the core's own or out of range"),
        (changed(code=-1), "type code 0x-0000001 of acme/counter is the core's own or out of range"),
        (changed(name="COUNTER"), "record type name 'COUNTER' has no namespace: name it vendor/type"),
    ],
)
def test_codes_and_names_that_a_third_party_may_not_have(kind: Any, message: str) -> None:
    """Xen's and the bundled range, the core's own types, and names without a namespace are not for third parties."""
    assert causes(resolve(acme=plugin(record_types=[kind]))) == {"acme:main": message}


def broken_hook() -> Any:
    """A hook that fails."""
    raise RuntimeError("no plugin today")


def refusing_hook() -> Any:
    """A hook that refuses."""
    raise DomainError("no machine today")


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        (lambda: [Format(scheme="a", summary="")], r"returned \[Format\(.*\], expected a list of RecordType"),
        (lambda: COUNTER, r"domctx_record_types returned RecordType\(.*, expected a list of RecordType"),
        (lambda: None, "domctx_record_types returned None, expected a list of RecordType"),
        (lambda: 3, "domctx_record_types returned 3, expected a list of RecordType"),
        (lambda: (item for item in [COUNTER]), "domctx_record_types returned <generator .*, expected a list"),
        (broken_hook, "RuntimeError: no plugin today"),
        (refusing_hook, "no machine today"),
    ],
    ids=["wrong-item", "no-list", "none", "number", "generator", "raises", "refuses"],
)
def test_hooks_that_return_the_wrong_thing(hook: Any, message: str) -> None:
    """A hook that raises, or returns anything but a list of its kind, breaks its plugin; the others stay."""
    bad = plugin(domctx_record_types=hookimpl(lambda: hook()), formats=[Format(scheme="a", summary="")])
    registry = resolve(bad=bad, good=plugin(record_types=[COUNTER]))
    assert list(causes(registry)) == ["bad:main"]
    assert re.search(message, causes(registry)["bad:main"])
    assert list(registry.types) == [COUNTER.code]
    assert list(registry.formats) == ["dctx"]


def test_wrappers_that_fail_break_their_plugin() -> None:
    """A wrapper that fails while handlers are bound breaks its plugin, and the type is bound without it."""

    @hookimpl(wrapper=True)
    def domctx_load(record_type: Any) -> Any:
        yield
        raise RuntimeError("not wrapped")

    registry = resolve(acme=plugin(record_types=[COUNTER]), bad=plugin(domctx_load=domctx_load))
    assert causes(registry) == {"bad:main": "its wrapper raised RuntimeError: not wrapped"}
    assert registry.types[COUNTER.code].loading.layers == ()


def domain(**states: Any) -> StatesDomain:
    """A domain without states of its own, or with counters."""
    return StatesDomain(Machine("m", "i386"), {StateKey(f"acme/{name}"): state for name, state in states.items()})


def provider(state: Any, key: StateKey[Any] = OTHER, **rest: Any) -> StateProvider:
    """A provider of one object for any domain."""
    return StateProvider(key, lambda domain: state, **rest)


def attach(target: StatesDomain, *providers: StateProvider) -> Any:
    """The states of a domain, with those of some providers."""
    return resolve(acme=plugin(providers=list(providers))).attach(target)


def test_provided_states_stand_beside_the_domain_s_own() -> None:
    """A domain's own state comes first, then the first that a plugin provides, asked for once."""
    asked = []
    counters = Counters()

    def provide(domain: Any) -> Any:
        asked.append(domain)
        return "provided"

    own = domain(counters=counters)
    states = attach(own, provider(None), StateProvider(OTHER, provide), provider("late"), provider("x", COUNTERS))
    assert states.state(COUNTERS) is counters
    assert (states.state(OTHER), states.state(OTHER), asked) == ("provided", "provided", [own])
    assert states.state(StateKey("acme/none")) is None


def test_owned_states_that_are_provided() -> None:
    """Listed are states that plugins provide, that are owned, that are there, and that the domain does not have."""
    derived: StateKey[Any] = StateKey("acme/derived")
    missing: StateKey[Any] = StateKey("acme/missing")
    states = attach(
        domain(counters=Counters()),
        provider(1),
        provider(2),
        provider(3, COUNTERS),
        provider(4, derived, owned=False),
        provider(None, missing),
    )
    assert states.provided() == [OTHER]
    assert states.state(derived) == 4


def test_providers_that_fail() -> None:
    """A provider's refusal is its own; any other exception names its distribution."""
    with pytest.raises(DomainError, match="no machine today"):
        attach(domain(), StateProvider(OTHER, lambda domain: refusing_hook())).state(OTHER)
    with pytest.raises(PluginError, match=r"plugin acme:main: RuntimeError: no plugin today\n.*a bug in acme"):
        attach(domain(), StateProvider(OTHER, lambda domain: broken_hook())).state(OTHER)


def test_no_plugins() -> None:
    """Without plugins there are no types, and the core's own scheme."""
    registry = Registry.resolve(Manager())
    assert (registry.types, registry.formats, registry.commands, registry.providers) == ({}, {}, {}, [])


def test_what_a_state_is_derived_from_is_known() -> None:
    """Also through another derived one; not of what could not be derived, nor what was asked for itself."""
    top, middle, never = (StateKey[Any](f"acme/{name}") for name in ("top", "middle", "never"))
    states = attach(
        domain(counters=Counters()),
        provider(1),
        StateProvider(never, lambda target: target.state(OTHER) and None, owned=False),
        StateProvider(middle, lambda target: target.state(COUNTERS) and "made", owned=False),
        StateProvider(top, lambda target: target.state(middle), owned=False),
    )
    assert states.state(never) is None
    assert (states.asked, states.derived_from) == ({never}, set())
    assert states.state(top) == "made"
    assert (states.asked, states.derived_from) == ({never, top}, {middle, COUNTERS})


def test_derived_states_may_lead_to_others() -> None:
    """A provider of a derived state asks for what others provide, and for what the domain is; circles give None."""
    top: StateKey[Any] = StateKey("acme/top")
    seen = []

    def derive(target: Any) -> Any:
        seen.append((target.machine.name, target.state(top)))
        return target.state(OTHER) + " and more"

    states = attach(domain(), provider("provided"), StateProvider(top, derive, owned=False))
    assert states.state(top) == "provided and more"
    assert seen == [("m", None)]
    assert states.machine == domain().machine
