"""The contract passes a good record type, and catches each kind of bad one by the rule that it breaks."""

from __future__ import annotations

import re
import struct
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import strategies as st

from domctx.api import Images, Option, RecordType
from domctx.testing import BrokenContract, Older, RecordTypeContract
from domctx.wire import record_size
from helpers import bad_counters as bad
from helpers.counters import COUNTER, SIZE, CounterBody, Counters, changed
from helpers.toys import DIAL_CODE, Dial, DialBody, record_types

(DIAL_TYPE,) = (kind for kind in record_types() if kind.code == DIAL_CODE)


def counters() -> st.SearchStrategy[Counters]:
    """Up to three counters, none of which stands still."""
    body = st.builds(CounterBody, st.integers(0, (1 << 64) - 1), st.integers(1, 255))
    return st.builds(Counters, st.dictionaries(st.integers(0, 5), body, min_size=1, max_size=3))


class TestGood(RecordTypeContract):
    """A good record type passes every rule."""

    record_type = COUNTER

    def states(self) -> st.SearchStrategy[Counters]:
        """Counters."""
        return counters() | st.builds(Counters)


class TestGoodBatches(RecordTypeContract):
    """A good record type that takes the array road passes every rule."""

    record_type = changed(save=bad.save_batches, load=bad.load_batches, check=bad.check_batches)

    def states(self) -> st.SearchStrategy[Counters]:
        """Counters."""
        return counters()


class TestGoodPlain(RecordTypeContract):
    """A good record type that stands in plain images only passes every rule."""

    record_type = changed(code=9, name="COUNTER", images=Images.PLAIN)

    def states(self) -> st.SearchStrategy[Counters]:
        """Counters."""
        return counters() | st.builds(Counters)


TENS = Older(1, (b"\x07\0\0\0",), Dial(DialBody(70)))
ONES = Older(2, (b"\xff\xff\0\0",), Dial(DialBody(0xFFFF, 10)))


class TestGoodOlder(RecordTypeContract):
    """A good record type that converts what older releases saved passes every rule."""

    record_type = DIAL_TYPE
    older = (TENS, ONES)

    def states(self) -> st.SearchStrategy[Dial]:
        """Dials."""
        return st.builds(Dial, st.builds(DialBody, st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 16) - 1)))


def believing(body: bytes) -> bytes:
    """From version 1 to 2, without a look at the length."""
    return struct.pack("<I", struct.unpack("<I", body)[0] * 10)


@pytest.mark.parametrize(
    ("changes", "older", "message"),
    [
        ({}, [ONES], "bodies of version 1 are read, and `older` has none to try"),
        ({}, [], "bodies of version 1, 2 are read"),
        ({"oldest": 2, "upgrades": {}}, [TENS, ONES], "`older` has bodies of version 1; expected 2 to below 3"),
        ({}, [TENS, attrs.evolve(ONES, bodies=(bytes(6),))], "what version 2 saved cannot be loaded: RecordError"),
        (
            {"upgrades": {1: bytes}},
            [TENS, ONES],
            "what version 1 saved loads to another state: .*got 07 00",
        ),
        (
            {"upgrades": {1: believing}},
            [TENS, ONES],
            "of version 1, cut to 0 octets, is not refused",
        ),
        ({"upgrades": {1: lambda body: b"\x46\0\0\0"}}, [TENS, ONES], "of version 1, cut to 0 octets, is accepted"),
    ],
)
def test_bad_older_versions(changes: dict[str, Any], older: list[Older], message: str) -> None:
    """What older releases saved is tried, converted to what it means, and refused where it is cut."""
    contract = contract_of(attrs.evolve(DIAL_TYPE, **changes))
    type(contract).older = older
    with pytest.raises(BrokenContract) as caught:
        contract.test_older_versions()
    assert re.match(f"DIAL: older versions: .*{message}", str(caught.value), re.DOTALL), str(caught.value)


def test_older_versions_cut_to_what_may_be() -> None:
    """A shorter body that may be a good one need not be refused."""

    class Contract(TestGoodOlder):
        record_type = attrs.evolve(DIAL_TYPE, upgrades={1: lambda body: b"\x46\0\0\0"})

        def may_be_body(self, body: bytes) -> bool:
            return len(body) < 4

    Contract().test_older_versions()


def contract_of(kind: RecordType) -> RecordTypeContract:
    """A contract for a variant of the counters."""

    class Contract(RecordTypeContract):
        record_type: ClassVar[RecordType] = kind
        max_examples = 25

        def states(self) -> st.SearchStrategy[Any]:
            return counters()

    return Contract()


def broken(rule: str, kind: RecordType) -> str:
    """What the contract says of a bad record type under one rule."""
    with pytest.raises(BrokenContract) as caught:
        getattr(contract_of(kind), f"test_{rule}")()
    return str(caught.value)


def assert_says(text: str, message: str) -> None:
    """The message names the type and says what is wrong."""
    assert text.startswith("acme/counter: "), text
    assert re.search(message, text, re.DOTALL), text


@pytest.mark.parametrize(
    ("rule", "kind", "message"),
    [
        ("identity", changed(load=bad.forgets_steps), "identity: what was saved loads to a state that saves to other"),
        ("identity", changed(load=bad.reads_past_its_body), "cannot be loaded: RecordError: .*read past its end"),
        ("identity", changed(load=bad.refuse), "what was saved cannot be loaded: DomctxError: .*not today"),
        ("identity", changed(load=bad.load_poison, save=bad.save_unless_poisoned), "what was loaded cannot be saved"),
        ("identity", changed(check=bad.refuse), "what was saved is accepted by load, but refused by check"),
        ("saving_changes_nothing", changed(save=bad.takes_out), "the save handler changes the state"),
        ("saving_changes_nothing", changed(exact_size=bad.counts_up_when_asked), "a dry run changes the state"),
        ("saving_is_repeatable", changed(save=bad.save_by_looking_inside), "how data is cut shows in the stream"),
        ("saving_is_repeatable", changed(save=bad.save_by_chance), "the second time, from octet 0x10"),
        ("identity", changed(save=bad.save_with_key_error), "the state cannot be saved: PluginError: .*KeyError: 999"),
        ("identity", changed(save=bad.save_open), "the save handler did not end the record"),
        ("identity", changed(save=bad.refuse), "the state cannot be saved: DomctxError"),
        ("identity", changed(max_body=12), "the body of 13 octets is over the type's largest"),
        ("dry_run", changed(exact_size=lambda state, context: 5), "says exactly 5 octets, the records take 32"),
        (
            "dry_run",
            changed(exact_size=None, max_size=lambda state, context: 31),
            "says at most 31 octets, the records take 32",
        ),
        ("dry_run", changed(exact_size=None, save=bad.save_nothing_when_dry), "says exactly 0 octets"),
        ("dry_run", changed(save=bad.save_nothing_when_dry), "own dry run counts 0 octets, the records take 32"),
        ("dry_run", changed(save=bad.refuse_to_run_dry), "the save handler cannot run dry: DomctxError: .*not today"),
        ("dry_run", changed(exact_size=bad.refuse), "the size cannot be told: DomctxError: not today"),
        (
            "dry_run",
            changed(exact_size=None, max_size=lambda state, _: 99, estimate_size=lambda state, _: state / 0),
            "the size cannot be told: PluginError: .*TypeError",
        ),
    ],
)
def test_bad_saving(rule: str, kind: RecordType, message: str) -> None:
    """A type that saves badly is caught, and the message says how."""
    assert_says(broken(rule, kind), message)


VARIABLE = changed(load=bad.load_variable, save=bad.save_variable, max_body=64, exact_size=None)


@pytest.mark.parametrize(
    ("rule", "kind", "message"),
    [
        ("truncated_bodies", changed(load=bad.fills_up), "of 13 octets .* cut to 0 octets is accepted"),
        ("truncated_bodies", VARIABLE, r"acme/counter\[0\] of 13 octets .* cut to 0 octets is accepted"),
        ("lengthened_bodies", VARIABLE, r"with 1 octets \(0x00\) behind is accepted"),
        ("lengthened_bodies", changed(load=bad.leaves_octets, max_body=99), r"with 1 octets \(0x00\) behind is accep"),
        ("padding", changed(load=bad.swallows), "with the padding 01 00 00 is not refused .*: PluginError"),
        ("padding", changed(load=bad.stops_early), "with the padding 01 00 00 is not refused .*: PluginError"),
        ("identity", changed(load=bad.stops_early), "does not leave the stream at the end of its run"),
        ("runs", changed(load=bad.stops_early), "does not leave the stream at the end of its run"),
        ("truncated_bodies", changed(load=bad.swallows), "cut to 0 octets is (accepted|not refused)"),
        ("cut_streams", changed(load=bad.swallows), "a stream cut to 16 octets is not refused .*: PluginError"),
        ("bit_flips", changed(load=bad.normalises), "bit 0 of octet 0x8 flipped loads to a state that saves to"),
        ("bit_flips", changed(load=bad.ignores_reserved), "bit 0 of octet 0x9 flipped loads to a state that"),
        ("bit_flips", changed(load=bad.raises_key_error), "octet 0x8 flipped is not refused .*KeyError: 0"),
        (
            "bit_flips",
            changed(load=bad.takes_what_cannot_be_saved, save=bad.save_checked),
            "octet 0x8 flipped loads to a state that cannot be saved: DomctxError",
        ),
        ("bit_flips", changed(check=bad.check_nothing), "flipped is refused by load, but by check it is accepted"),
        ("bit_flips", changed(check=bad.check_badly), "by check it is not refused .*ZeroDivisionError"),
        ("garbage", changed(load=bad.fills_up), r"of 0 octets \(\) of random octets loads to a state that"),
        ("mutants", changed(load=bad.fills_up), "a mutant, loads to a state that saves to other octets"),
        ("views", changed(load=bad.keeps_views), "what was saved"),
        ("views", changed(load=bad.keeps_array_views), "what was saved"),
        ("runs", changed(load=bad.starts_anew), "saves to other octets"),
    ],
)
def test_bad_loading(rule: str, kind: RecordType, message: str) -> None:
    """A type that loads badly is caught, and the message says which record and how it was changed."""
    assert_says(broken(rule, kind), message)


@pytest.mark.parametrize(
    ("rule", "kind", "message"),
    [
        ("show", changed(show=bad.show_octets), "is shown as .* which is no JSON value: TypeError"),
        ("show", changed(show=lambda record, context: float("nan")), "which is no JSON value: ValueError"),
        ("show", changed(show=lambda record, context: record / 0), "cannot be shown: PluginError: .*TypeError"),
        ("diff_of_a_state_with_itself", changed(diff=bad.differ_always), r"a state differs from itself: Difference\("),
        ("diff_of_two_states", changed(diff=lambda a, b, context: []), "no difference is told"),
        ("diff_of_two_states", changed(diff=bad.differ_in_bytes), "at value the values are .* no JSON value"),
        ("diff_of_two_states", changed(diff=bad.differ_elsewhere), r"a difference is told of 'CPU\[0\]'"),
        ("diff_of_two_states", changed(diff=lambda a, b, _: a / b), "cannot be compared: PluginError: .*TypeError"),
        ("diff_of_two_states", changed(diff=bad.differ_by_and_by), "cannot be compared: PluginError: .*ZeroDivision"),
        ("image", changed(view=lambda records, context: bad.Shifted(records)), "opened gives a state that saves to"),
        ("image", changed(view=lambda records, context: records[99]), "image of the state cannot be used: PluginError"),
        ("image", changed(check=bad.refuse), "an image of the state cannot be used: DomctxError: .*not today"),
    ],
)
def test_bad_telling(rule: str, kind: RecordType, message: str) -> None:
    """A type that shows, compares or opens badly is caught."""
    assert_says(broken(rule, kind), message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"code": 0x8000_0001}, "the code 0x80000001 is the core's own, or has bit 31 set"),
        ({"code": 0x0001_0000}, "the code 0x00010000 is the core's own"),
        ({"code": -1}, "the code 0x"),
        ({"version": 2, "readable_since": 3}, "readable_since is 3 and version 2"),
        ({"version": 2, "oldest": 3}, "oldest is 3 and version 2"),
        ({"version": 2, "upgrades": {2: bytes}}, r"upgrades from versions \[2\], but bodies have versions 1 to 2"),
        ({"max_body": 12}, "max_body is 12, but the layout's fixed part alone takes 13 octets"),
        ({"summary": "two\nlines"}, "the summary is not one line"),
        ({"options": (Option("a", int, ""), Option("a", str, ""))}, "two options have one name: a, a"),
        ({"images": Images(0)}, "the type is saved into no image"),
    ],
)
def test_bad_declaration(changes: dict[str, Any], message: str) -> None:
    """A declaration that is not sound is caught."""
    assert_says(broken("declaration", changed(**changes)), message)


def test_a_name_needs_a_namespace() -> None:
    """A third party's name without a namespace, or with what cannot be printed, is caught."""
    with pytest.raises(BrokenContract, match="the name 'COUNTER' has no namespace"):
        contract_of(changed(name="COUNTER")).test_declaration()
    with pytest.raises(BrokenContract, match="is empty, or holds what cannot be printed"):
        contract_of(changed(name="acme/ counter")).test_declaration()


def test_states_must_be_given() -> None:
    """A contract without states says so."""

    class Empty(RecordTypeContract):
        record_type = COUNTER

    with pytest.raises(NotImplementedError, match="Empty gives no states"):
        Empty().test_identity()


def test_record_size_of_the_counters() -> None:
    """The messages above count records of 32 octets: 16 of header, 13 of body, 3 of padding."""
    assert record_size(SIZE) == 32


def test_garbage_of_an_optional_type() -> None:
    """What is taken for a body of an optional type carries bit 31, as what is saved does."""
    taken = changed(optional=True, load=bad.load_variable, save=bad.save_variable)
    contract_of(taken).test_garbage()
    assert_says(
        broken("garbage", changed(optional=True, load=bad.fills_up)), "random octets loads to a state that saves"
    )
