"""The contract that every record type keeps: subclass ``RecordTypeContract`` and let pytest run it.

    class TestTpm(RecordTypeContract):
        record_type = TPM

        def states(self):
            return st.builds(StoredTpm, st.binary(min_size=20, max_size=20))

Everything goes over the core's own roads. A failure is a ``BrokenContract`` that names record type, rule and record.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, given, settings, strategies as st

from domctx.api import Machine, RecordType, StateKey
from domctx.testing import declaration, loading_rules, saving_rules, telling_rules, version_rules
from domctx.testing.harness import Harness
from domctx.testing.mutations import mutated
from domctx.testing.snapshot import snapshot
from domctx.testing.trial import Trial
from domctx.testing.version_rules import Older

T = TypeVar("T")


class RecordTypeContract:
    """The rules that a record type keeps, as tests. Give ``record_type`` and ``states``; the rest has defaults."""

    record_type: ClassVar[RecordType]
    """The record type under test."""
    machine: ClassVar[Machine] = Machine("contract", "x86_64")
    """The machine that the states belong to."""
    options: ClassVar[Sequence[str]] = ()
    """``name=value`` for the type's own options, as ``-O`` gives them."""
    older: ClassVar[Sequence[Older]] = ()
    """States as earlier releases saved them: one of each older version that the type reads, or more."""
    others: ClassVar[Mapping[StateKey[Any], Any]] = {}
    """The states beside the type's own that its handlers may ask for."""
    max_examples: ClassVar[int] = 20
    """States that each rule is tried on; a fifth of it where each state's bodies are changed in many places."""
    max_changes: ClassVar[int] = 2048
    """Bits of a body that are flipped, and places where it is cut: all of them up to so many, else a sample."""

    def states(self) -> st.SearchStrategy[Any]:
        """States to save, in memory as ``new_state`` makes them; a new object for each example."""
        raise NotImplementedError(f"{type(self).__name__} gives no states")

    def snapshot(self, state: Any) -> Any:
        """What a state holds, as a value that can be compared. Bring your own where a state keeps octets elsewhere."""
        return snapshot(state)

    def may_be_body(self, body: bytes) -> bool:
        """Whether a body that was cut or lengthened may be a good one, which must then go out as it came in.

        Never, for a body tells how long it is; a format that was fixed elsewhere may have bodies of several lengths.
        """
        return False

    def test_declaration(self) -> None:
        """The record type's declaration is sound: code, name, summary, versions, sizes."""
        with self._trial("declaration") as trial:
            for problem in declaration.problems(self.record_type):
                trial.broken(problem)

    def test_identity(self) -> None:
        """What was saved loads into a new state that saves to the same octets."""
        self._try("identity", self.states(), loading_rules.identity)

    def test_saving_changes_nothing(self) -> None:
        """Saving a state, and asking what it would take, leaves the state as it was."""
        self._try(
            "saving changes nothing",
            self.states(),
            lambda trial, state: saving_rules.unchanged(trial, state, self.snapshot),
        )

    def test_saving_is_repeatable(self) -> None:
        """A state saves to the same octets each time, however its handler's calls are cut."""
        self._try("saving is repeatable", self.states(), saving_rules.repeatable)

    def test_dry_run(self) -> None:
        """A dry run tells the size of the records: the real one where it says exact, else an upper bound."""
        self._try("dry run", self.states(), saving_rules.told_size)

    def test_truncated_bodies(self) -> None:
        """A body that is cut, at any place, is refused."""
        self._try("truncated bodies", self.states(), loading_rules.truncated, few=True)

    def test_lengthened_bodies(self) -> None:
        """A body with octets behind its end is refused."""
        self._try("lengthened bodies", self.states(), loading_rules.lengthened, few=True)

    def test_padding(self) -> None:
        """Padding that is not zero is refused."""
        self._try("padding", self.states(), loading_rules.padded, few=True)

    def test_bit_flips(self) -> None:
        """A body with a bit flipped is refused, or loads to a state that saves to exactly the flipped octets."""
        self._try("bit flips", self.states(), loading_rules.flipped_bits, few=True)

    def test_garbage(self) -> None:
        """Any octets as a body are refused with a DomctxError, or load to a state that saves to exactly them."""
        bodies = st.binary(max_size=min(self.record_type.max_body, 512))
        self._try("garbage", bodies, loading_rules.garbage)

    def test_mutants(self) -> None:
        """Bodies changed in several places at once are refused, or load to a state that saves to exactly them."""
        self._try("mutants", st.tuples(self.states(), st.data()), _mutants)

    def test_cut_streams(self) -> None:
        """A stream that ends inside a record is refused."""
        self._try("cut streams", self.states(), loading_rules.cut_streams, few=True)

    def test_views(self) -> None:
        """The load handler keeps no view of octets past the next read."""
        self._try("views", self.states(), loading_rules.keeps_no_views)

    def test_runs(self) -> None:
        """Records that come in several runs, as with other types between them, load to the same state."""
        self._try("runs", self.states(), loading_rules.several_runs)

    def test_older_versions(self) -> None:
        """What earlier releases saved loads to the state that it holds, and is saved again as of today."""
        with self._trial("older versions") as trial:
            version_rules.given(trial, self.older)
            for each in self.older:
                version_rules.loaded(trial, each)

    def test_show(self) -> None:
        """Every record is shown as a JSON value."""
        self._try("show", self.states(), telling_rules.shown)

    def test_diff_of_a_state_with_itself(self) -> None:
        """A state does not differ from what was loaded from its records."""
        self._try("diff", self.states(), telling_rules.same)

    def test_diff_of_two_states(self) -> None:
        """Two states that save to different octets differ, by the type's name and in JSON values."""
        pairs = st.tuples(self.states(), self.states())
        self._try("diff", pairs, lambda trial, pair: telling_rules.different(trial, *pair))

    def test_image(self) -> None:
        """An image of a state verifies, and gives the state again, opened as a file and loaded as a stream."""
        self._try("image", self.states(), telling_rules.imaged)

    @contextlib.contextmanager
    def _trial(self, rule: str) -> Iterator[Trial]:
        harness = Harness(self.record_type, self.machine, self.options, self.others)
        with contextlib.closing(harness):
            yield Trial(harness, rule, self.may_be_body, self.max_changes)

    def _try(
        self, rule: str, values: st.SearchStrategy[T], check: Callable[[Trial, T], None], *, few: bool = False
    ) -> None:
        """Try a rule on examples. The inner test has a name of its own, by which hypothesis keeps its failures."""
        with self._trial(rule) as trial:

            def example(value: T) -> None:
                check(trial, value)

            example.__name__ = f"{type(self).__name__}_{rule.replace(' ', '_')}"
            settings(
                max_examples=max(1, self.max_examples // 5) if few else self.max_examples,
                deadline=None,
                report_multiple_bugs=False,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.nested_given],
            )(given(values)(example))()


def _mutants(trial: Trial, drawn: tuple[Any, st.DataObject]) -> None:
    state, data = drawn
    for records, index in trial.bodies(state):
        body = data.draw(mutated(records[index].body))
        loading_rules.mutant(trial, records, index, body)
