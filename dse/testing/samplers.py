"""What every sampler promises: proposals of the space, the same whenever a study is stopped and goes on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from dse.designs.space import Choice, FloatRange, IntRange, Parameter
from dse.metric import Goal
from dse.search.samplers.base import AbstractSampler, Problem
from dse.testing.base import Contract

SPACE: Mapping[str, Parameter] = {
    "accumulator.bits": Choice((2, 8, "float")),
    "adc.bits": IntRange(4, 10),
    "dac.bits": IntRange(2, 16, log=True),
    "network.width": FloatRange(0.25, 1.5, step=0.25),
    "training.learning_rate": FloatRange(0.5, 4.0, log=True),
}
GOALS: tuple[Goal, ...] = ("maximise", "minimise")


Values = Mapping[str, Any]


def problem(
    seed: int = 0, trials: int = 40, given: Sequence[Values] = (), space: Mapping[str, Parameter] = SPACE
) -> Problem:
    """Return what designs are proposed for."""
    return Problem(space, GOALS, seed, startup=8, trials=trials, given=given)


def values(parameters: Values) -> list[float]:
    """Return two objectives that do not conflict, so that a search moves to the corner of both."""
    return [parameters["adc.bits"], parameters["training.learning_rate"]]


def failing(number: int) -> bool:
    """Return whether a trial fails."""
    return number % 7 == 3


def beyond(parameters: Values) -> list[float]:
    """Return the violations of two constraints that hold in a quarter of the space, away from the best values."""
    bits, rate = parameters["adc.bits"], parameters["training.learning_rate"]
    return [(bits - 6.0) / 10.0, (2.0 - rate) / 2.0]


def unbound(parameters: Values) -> list[float]:  # noqa: ARG001
    """Return the violations of no constraint."""
    return []


def propose(
    sampler: AbstractSampler,
    trials: int = 40,
    *,
    lookahead: int = 5,
    stop: int | None = None,
    violations: Callable[[Values], Sequence[float]] = unbound,
    seed: int = 0,
    given: Sequence[Values] = (),
) -> list[Values]:
    """Return the proposals of a study, each made from the results of trials up to a lookahead before it."""
    proposer = sampler.proposer(problem(trials=trials, seed=seed, given=given))
    asked: list[Values] = []
    told = 0
    for number in range(trials if stop is None else stop):
        while told <= number - lookahead and number >= proposer.blind:
            if failing(told):
                proposer.tell(told, None)
            else:
                proposer.tell(told, values(asked[told]), violations(asked[told]))
            told += 1
        asked.append(proposer.ask())
    return asked


class SamplerContract(Contract):
    """What a sampler promises."""

    idea = "SAMPLERS"
    trials: ClassVar[int] = 150
    """Trials of the longest study; fewer for a sampler whose proposals take long."""

    @property
    def sampler(self) -> AbstractSampler:
        """The sampler; it has no settings."""
        return self.variant()

    def test_it_has_no_settings(self) -> None:
        """What it needs is in the problem."""
        assert vars(self.sampler) == {}

    def test_proposals_are_of_the_space_and_reach_all_of_it(self) -> None:
        """Choices, ranges, steps and logarithms."""
        proposals = propose(self.sampler, trials=60)
        for p in proposals:
            assert list(p) == list(SPACE)
            assert p["accumulator.bits"] in (2, 8, "float")
            assert p["adc.bits"] in range(4, 11)
            assert p["dac.bits"] in range(2, 17)
            assert p["network.width"] in (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
            assert 0.5 <= p["training.learning_rate"] <= 4.0
        assert {p["accumulator.bits"] for p in proposals} == {2, 8, "float"}

    def test_values_have_the_types_of_a_study_file(self) -> None:
        """An integer is no float there."""
        for p in propose(self.sampler, trials=12):
            assert [type(p[path]) for path in ("adc.bits", "dac.bits")] == [int, int]
            assert [type(p[path]) for path in ("network.width", "training.learning_rate")] == [float, float]

    def test_the_same_study_proposes_the_same_designs_and_another_seed_others(self) -> None:
        """Whoever asks, and whenever."""
        assert propose(self.sampler) == propose(self.sampler)
        assert propose(self.sampler) != propose(self.sampler, seed=1)

    def test_a_study_that_is_asked_and_told_again_goes_on_as_if_it_had_not_stopped(self) -> None:
        """So it is resumed after a kill."""
        whole = propose(self.sampler)
        for stop in (3, 8, 21):
            assert propose(self.sampler, stop=stop) == whole[:stop]

    def test_proposals_depend_on_the_results_they_may_see_and_on_no_others(self) -> None:
        """A proposer is told what it may see in order of number, late or early: what is in flight does not matter."""
        early = self.sampler.proposer(problem())
        late = self.sampler.proposer(problem())
        first = [early.ask() for _ in range(12)] if early.blind >= 12 else [early.ask() for _ in range(early.blind)]
        assert first == [late.ask() for _ in first]
        for number, p in enumerate(first):
            early.tell(number, values(p))
        for number, p in enumerate(first):
            late.tell(number, values(p))
        assert early.ask() == late.ask()

    def test_blind_proposals_are_made_without_any_result(self) -> None:
        """They need not wait for any."""
        proposer = self.sampler.proposer(problem())
        assert proposer.blind == (40 if self.sampler.blind else 8)
        alone = [proposer.ask() for _ in range(proposer.blind)]
        assert alone == propose(self.sampler)[: proposer.blind]

    def test_a_longer_study_begins_like_a_shorter_one(self) -> None:
        """A study may ask for more trials later."""
        assert propose(self.sampler, trials=30) == propose(self.sampler, trials=40)[:30]

    def test_what_was_decided_before_stays_and_the_points_after_it_are_those_of_any_study(self) -> None:
        """An extended study keeps its first trials."""
        given = [{**p, "adc.bits": 4} for p in propose(self.sampler, trials=5, seed=9)]
        proposals = propose(self.sampler, given=given)
        assert proposals[:5] == given
        assert proposals[5:8] == propose(self.sampler)[5:8]

    def test_a_study_in_which_every_trial_fails_goes_on(self) -> None:
        """There is nothing to learn from then."""
        proposer = self.sampler.proposer(problem(trials=20))
        for number in range(20):
            assert list(proposer.ask()) == list(SPACE)
            proposer.tell(number, None)

    def test_constraints_are_heeded_or_have_no_effect(self) -> None:
        """A sampler that sees results spends more trials on what is feasible; one that does not proposes as ever."""
        last = 2 * self.trials // 5
        held, free = (propose(self.sampler, trials=self.trials, violations=own)[-last:] for own in (beyond, unbound))
        if self.sampler.blind:
            assert held == free
        else:
            feasible = [sum(max(beyond(p)) <= 0.0 for p in proposals) for proposals in (held, free)]
            assert feasible[0] > feasible[1]

    def test_a_study_with_constraints_that_is_asked_and_told_again_goes_on_as_if_it_had_not_stopped(self) -> None:
        """Violations are results, too."""
        whole = propose(self.sampler, violations=beyond)
        for stop in (3, 8, 21):
            assert propose(self.sampler, stop=stop, violations=beyond) == whole[:stop]

    def test_a_study_in_which_nothing_is_feasible_goes_on(self) -> None:
        """The least infeasible design is as good as it gets."""
        proposer = self.sampler.proposer(problem(trials=20))
        for number in range(20):
            proposal = proposer.ask()
            assert list(proposal) == list(SPACE)
            proposer.tell(number, values(proposal), [2.0, 1.0])

    def test_a_space_of_one_choice_is_proposed_again_and_again(self) -> None:
        """There is nothing else to propose."""
        proposer = self.sampler.proposer(problem(trials=12, space={"adc.bits": Choice((6,))}))
        for number in range(12):
            assert proposer.ask() == {"adc.bits": 6}
            proposer.tell(number, [6.0, 1.0])
