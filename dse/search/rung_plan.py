"""The plan of a search that spends epochs where they matter: trainings pause at rungs, and seeds go to the front.

    new       a design, trained to the first rung, or to the end where there is none
    on        the design that waits at a rung and whose end is expected to gain most goes on to the next
    seeds     the design that ended and is expected to gain most gets all seeds
    certify   the last part of the epochs: members of the front get all seeds, those first that are least sure

Of what kind a step is follows from the steps before (`schedule`), who gets it from the results that it may see
(`outlook`). A step that nobody can fill becomes a new design. Designs that are left behind may go on for good.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from threadpoolctl import threadpool_limits

from dse.search.criteria import Values
from dse.search.decisions import Decided
from dse.search.proposals import why_of
from dse.search.rung_outlook import Outlook, Place
from dse.search.rung_record import Record
from dse.search.rung_schedule import Rules, Schedule
from dse.search.samplers.base import Proposer
from dse.search.samplers.model.belief import Kept
from dse.search.samplers.model.observations import Observations
from dse.search.steps import Kind, Spent, Step
from dse.search.tried import Tried

SEARCHED = 0.85
"""Share of the epochs after which the front is certified."""


@runtime_checkable
class Observes(Protocol):
    """A proposer that learns from trainings that paused, too."""

    def observe(self, seen: Observations) -> None:
        """Take what was seen of all trials so far, in place of what was observed before."""
        ...


class RungPlan:
    """Decides steps; see `dse.search.steps.Plan`.

    Args:
        proposer: who proposes new designs.
        rules: how epochs are spent.
        place: where designs are looked at.
        epochs_of: gives the epochs of the whole training of a design; 0 for one whose settings contradict each other.
        decided: steps that were decided before, by number.
        tried: which designs of the space were proposed.

    Attributes:
        stored: see `dse.search.steps.Plan`.
    """

    def __init__(
        self,
        proposer: Proposer,
        rules: Rules,
        place: Place,
        epochs_of: Callable[[Mapping[str, Any]], int],
        decided: Decided,
        tried: Tried,
    ) -> None:
        self._proposer, self._rules, self._place = proposer, rules, place
        self._epochs_of, self._decided, self._tried = epochs_of, decided, tried
        self._schedule = Schedule(rules)
        self._records: list[Record] = []
        self._steps: list[Step] = []
        self._told = 0
        self._waiting: dict[int, Mapping[int, Values | None]] = {}
        self._next: Step | None = None
        self._planned = 0
        self._kept: Kept = {}
        self._blind = min(proposer.blind, rules.startup)
        self.stored = 0

    @property
    def exhausted(self) -> int | None:
        """How many designs the space has, once all were proposed; else None."""
        return self._tried.designs if self._tried.all and self._schedule.designs >= self.stored else None

    @property
    def spent(self) -> Spent:
        """Epochs so far."""
        whole = self._rules.seeds * sum(own.epochs for own in self._records)
        return Spent(self._planned, self._rules.epochs, whole)

    def is_next_ready(self) -> bool:
        """Return whether there is another step, and it can be decided now, after telling the results that it sees."""
        number = len(self._steps)
        if self._next is None and number in self._decided and self._tell(self._decided[number].told - 1):
            self._next = self._decided[number]
        if self._next is None and number < self._blind and self._may_be_new():
            self._next = self._new()
        if self._next is None and number in self._decided:
            return False
        if self._next is None and self._tell(number - self._rules.lookahead):
            self._next = self._decide()
            if self._next is None and self._tell(number - 1):  # nobody can use a step before more is known
                self._next = self._decide()
        return self._next is not None

    def ask(self) -> Step:
        """Return the next step."""
        step, self._next = self._next, None
        if step is None:
            raise ValueError("no step is ready")
        if step.kind == "new":
            asked, was_decided = self._proposer.ask(), step.number in self._decided
            parameters = step.parameters if was_decided else asked
            epochs = self._epochs_of(parameters)
            if not was_decided:
                why = None if step.number < self._blind else why_of(self._proposer)
                step = replace(step, parameters=parameters, until=self._pause_after(0, epochs), why=why)
            self._tried.add(parameters)
            self._records.append(Record(step.trial, parameters, epochs))
        self._take(step)
        return step

    def settle(self, step: int, values: Mapping[int, Values | None]) -> None:
        """Take what came of a step, by seed, None for one that failed; in any order."""
        self._waiting[step] = dict(values)

    def _take(self, step: Step) -> None:
        """Count a step that is decided."""
        record = self._records[step.trial]
        until = record.epochs if step.until is None else step.until
        self._planned += sum(until - record.planned.get(seed, 0) for seed in step.seeds)
        record.planned |= dict.fromkeys(step.seeds, until)
        record.is_open = True
        if step.kind != "certify":
            self._schedule.take(self._kind(step))
        self._steps.append(step)

    def _kind(self, step: Step) -> int:
        """Return the number of the kind of a step; see `Schedule`."""
        if step.kind == "new":
            return 0
        return len(self._rules.rungs) + 1 if step.kind == "seeds" else 1 + list(self._rules.rungs).index(step.since)

    def _tell(self, last: int) -> bool:
        """Tell what came of the steps up to the last, in their order; return whether all of that is known."""
        while self._told <= last:
            values = self._waiting.pop(self._told, None)
            if values is None:
                return False
            step = self._steps[self._told]
            record = self._records[step.trial]
            record.take(record.epochs if step.until is None else step.until, values)
            self._told += 1
            if step.kind == "new" and not isinstance(self._proposer, Observes):
                self._tell_proposer(record)
        return True

    def _tell_proposer(self, record: Record) -> None:
        """Tell a proposer that takes one value of a design what its end is expected to be."""
        if record.failed:
            self._proposer.tell(record.trial, None)
        elif self._proposer.blind < self._rules.trials:
            self._proposer.tell(record.trial, *self._outlook().expected_end(record))

    def _outlook(self) -> Outlook:
        return Outlook(self._place, self._records, self._rules.seeds, self._kept)

    def _decide(self) -> Step | None:
        """Return the next step, or None where nobody can use one given what was told."""
        with threadpool_limits(1, user_api="blas"):  # several sum in another order
            outlook = self._outlook()
            new = self._may_be_new()
            for kind in self._schedule.order(new=new and self._searches()):
                step = self._fill(kind, outlook)
                if step is not None:
                    return step
            return self._certify(outlook) or (self._observed_new(outlook) if new else None)

    def _searches(self) -> bool:
        """Return whether new designs are looked for: the last part of the epochs is for the front."""
        budget = self._rules.epochs
        return budget is None or self._planned < SEARCHED * budget or self._rules.seeds == 1

    def _may_be_new(self) -> bool:
        """Return whether there may be a new design."""
        if self._schedule.designs >= self._rules.trials or self.exhausted is not None:
            return False
        longest = max((own.epochs for own in self._records), default=0)
        return self._affords(len(self._rules.first_seeds) * (self._pause_after(0, longest) or longest))

    def _affords(self, epochs: int) -> bool:
        return self._rules.epochs is None or self._planned + epochs <= self._rules.epochs

    def _fill(self, kind: int, outlook: Outlook) -> Step | None:
        """Return a step of a kind; None where nobody can use it."""
        if kind == 0:
            return self._observed_new(outlook)
        if not outlook.is_enough:
            return None
        if kind <= len(self._rules.rungs):
            return self._on(self._rules.rungs[kind - 1], outlook)
        lacking = [own for own in outlook.told if own.waits and own.has_ended and self._lacks(own)]
        lacking = [own for own in lacking if self._affords(self._cost_of_seeds(own))]
        if not lacking:
            return None
        counted = outlook.whole if outlook.whole.any() else outlook.ended
        found = outlook.best(lacking, counted)
        return None if found is None else self._seeds("seeds", *found)

    def _on(self, rung: int, outlook: Outlook) -> Step | None:
        """Return the step of a design that goes on from a rung."""
        waiting = [own for own in outlook.told if own.waits and own.top == rung and not own.has_ended]
        waiting = [own for own in waiting if self._affords((self._pause_after(rung, own.epochs) or own.epochs) - rung)]
        if not waiting:
            return None
        found = outlook.best(waiting, outlook.ended)
        if found is None:
            return None
        record, why = found
        until = self._pause_after(rung, record.epochs)
        return self._step("on", record.trial, record.parameters, (0,), why, until=until, since=rung)

    def _certify(self, outlook: Outlook) -> Step | None:
        """Return a step that makes sure of a member of the front; None where all have all seeds."""
        if self._rules.seeds == 1 or not outlook.is_enough:
            return None
        found = outlook.to_certify(self._rules.seeds)
        if found is None or not self._affords(self._cost_of_seeds(found[0])):
            return None
        return self._seeds("certify", *found)

    def _seeds(self, kind: Kind, record: Record, why: Mapping[str, Any]) -> Step:
        seeds = tuple(seed for seed in range(self._rules.seeds) if seed not in record.seeds)
        return self._step(kind, record.trial, record.parameters, seeds, why)

    def _lacks(self, record: Record) -> bool:
        return len(record.seeds) < self._rules.seeds

    def _cost_of_seeds(self, record: Record) -> int:
        return (self._rules.seeds - len(record.seeds)) * record.epochs

    def _observed_new(self, outlook: Outlook) -> Step:
        if isinstance(self._proposer, Observes):
            self._proposer.observe(outlook.observations)
        return self._new()

    def _new(self) -> Step:
        """Return the step of a new design, whose parameters are asked for when the step is."""
        return self._step("new", self._schedule.designs, {}, tuple(self._rules.first_seeds), None)

    def _step(
        self,
        kind: Kind,
        trial: int,
        parameters: Mapping[str, Any],
        seeds: Sequence[int],
        why: Mapping[str, Any] | None,
        *,
        until: int | None = None,
        since: int = 0,
    ) -> Step:
        return Step(len(self._steps), kind, trial, parameters, seeds, until, since, why, self._told, in_steps=True)

    def _pause_after(self, rung: int, epochs: int) -> int | None:
        """Return the next rung of a training of some epochs; None where it goes on to its end."""
        return next((own for own in self._rules.rungs if rung < own < epochs), None)
