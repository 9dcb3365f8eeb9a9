"""Tests of domctx.plan: what a save writes."""

from __future__ import annotations

from typing import Any

import pytest

from domctx.api import Images, StateKey, StateProvider
from domctx.context import Operation
from domctx.errors import DomainError, UsageError
from domctx.hookspecs import hookimpl
from domctx.plan import Planned, carried_by, check_drop, leave_carried, plan
from helpers import toy_vendor, toys
from helpers.toy_images import states, toy_registry, vendor_registry
from helpers.toy_machines import ToyDomain

ODD: StateKey[Any] = StateKey("odd")


def test_states_are_planned_by_type_code() -> None:
    """Whatever the order in which the domain lists them."""
    found = plan(ToyDomain(states()), toy_registry(), Operation(), images=Images.DOMCTX)
    assert [item.code for item in found] == sorted(item.code for item in found)
    assert {item.bound.type.name for item in found} == {"DIAL", "NOTES", "LAMPS", "BULK", "CLOCK"}
    assert all(isinstance(item, Planned) for item in found)


def test_a_state_that_no_type_saves_is_refused() -> None:
    """Unless it is dropped, which is said."""
    domain, operation = ToyDomain({ODD: 1, **states()}), Operation()
    with pytest.raises(DomainError, match=r"no record type saves the domain's state 'odd'\n  .*--drop odd"):
        plan(domain, toy_registry(), operation, images=Images.DOMCTX)
    found = plan(domain, toy_registry(), operation, images=Images.DOMCTX, drop=["odd", "dial"])
    assert "DIAL" not in {item.bound.type.name for item in found}
    assert operation.notes == ["state 'odd' is dropped", "state 'dial' is dropped"]


def test_a_plain_image_holds_what_it_can() -> None:
    """The rest is noted, not refused: it was asked for by name."""
    operation = Operation()
    found = plan(ToyDomain(states()), toy_registry(), operation, images=Images.PLAIN)
    assert [item.bound.type.name for item in found] == ["XEN_CLOCK"]
    assert "a plain v10 image has no record for state 'dial': it is left out" in operation.notes
    assert len(operation.notes) == 4


def test_a_plain_image_of_nothing_is_refused() -> None:
    """A domain with states of which none is Xen's; one that has no states, or whose states are dropped, is not."""
    domain, registry = ToyDomain({toys.DIAL: states()[toys.DIAL]}), toy_registry()
    with pytest.raises(DomainError, match=r"would hold nothing of this domain\n  save it without --plain-xen"):
        plan(domain, registry, Operation(), images=Images.PLAIN)
    assert plan(domain, registry, Operation(), images=Images.PLAIN, drop=["dial"]) == []
    assert plan(ToyDomain({}), registry, Operation(), images=Images.PLAIN) == []


def test_what_is_dropped_is_a_state() -> None:
    """Of a plugin's, or of the domain's own; any other name is refused, and which there are is said."""
    domain, registry = ToyDomain({ODD: 1}), toy_registry()
    check_drop(["dial", "odd"], registry, domain)
    check_drop(["toy_clock"], registry)
    with pytest.raises(UsageError, match=r"there is no state 'odd' to drop\n  the states are: bulk, .*notes"):
        check_drop(["dial", "odd"], registry)


def test_a_state_that_is_listed_must_be_given() -> None:
    """Or the domain is wrong about itself."""
    domain = ToyDomain({toys.DIAL: None})
    with pytest.raises(DomainError, match="lists state 'dial' as its own, but does not give it"):
        plan(domain, toy_registry(), Operation(), images=Images.DOMCTX)


class Provides:
    """A plugin that provides notes to every domain."""

    @hookimpl
    def domctx_state_providers(self) -> list[StateProvider]:
        """Owned notes."""
        return [StateProvider(toys.NOTES, lambda domain: toys.Notes([b"provided"]))]


def test_states_that_plugins_provide_are_saved_with_the_domain() -> None:
    """Where the domain has none of its own."""
    registry = toy_registry(**{"acme:notes": Provides()})
    found = plan(ToyDomain({toys.DIAL: toys.Dial()}), registry, Operation(), images=Images.DOMCTX)
    assert [item.state for item in found] == [toys.Dial(), toys.Notes([b"provided"])]
    own = plan(ToyDomain({toys.NOTES: toys.Notes()}), registry, Operation(), images=Images.DOMCTX)
    assert [item.state for item in own] == [toys.Notes()]


def test_only_images_carry_records_along() -> None:
    """Any other domain has none, and leaves none behind."""
    operation = Operation()
    domain = ToyDomain({toy_vendor.MARK: toy_vendor.Octets({1: b"x"})})
    assert plan(domain, vendor_registry(), operation, images=Images.DOMCTX)
    assert carried_by(domain) == []
    leave_carried(domain, operation)
    assert operation.notes == []
