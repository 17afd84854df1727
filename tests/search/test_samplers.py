"""Every sampler keeps the promises of a proposer: within the space, a function of seed and results, no gaps."""

import pytest

from dse.design.space import Choice, FloatRange, IntRange
from dse.search.samplers import OptunaProposer, make_proposer

SPACE = {
    "accumulator.bits": Choice((2, 8, "float")),
    "adc.bits": IntRange(4, 10),
    "dac.bits": IntRange(2, 16, log=True),
    "network.width": FloatRange(0.25, 1.5, step=0.25),
    "training.learning_rate": FloatRange(0.5, 4.0, log=True),
}
SAMPLERS = ["auto", "random", "quasi_random", "tpe", "nsga2"]


def propose(sampler, seed=0, trials=40, lookahead=5):
    proposer = make_proposer(SPACE, ["maximise", "minimise"], sampler=sampler, seed=seed, startup=8, trials=trials)
    asked, told = [], 0
    for number in range(trials):
        while told <= number - lookahead and number >= proposer.blind:
            p = asked[told]
            proposer.tell(told, None if told % 7 == 3 else [p["adc.bits"], p["training.learning_rate"]])
            told += 1
        asked.append(proposer.ask())
    return asked


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_proposals_lie_in_the_space(sampler):
    for p in propose(sampler):
        assert list(p) == list(SPACE)
        assert p["accumulator.bits"] in (2, 8, "float")
        assert p["adc.bits"] in range(4, 11)
        assert p["dac.bits"] in range(2, 17)
        assert p["network.width"] in (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
        assert 0.5 <= p["training.learning_rate"] <= 4.0


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_seed_and_results_give_the_same_proposals(sampler):
    assert propose(sampler) == propose(sampler)
    assert propose(sampler) != propose(sampler, seed=1)


@pytest.mark.parametrize("sampler", ["random", "quasi_random", "tpe", "nsga2"])
def test_a_longer_study_begins_like_a_shorter_one(sampler):
    assert propose(sampler, trials=30) == propose(sampler, trials=40)[:30]


def test_models_learn_where_the_best_results_are():
    """The objectives do not conflict, so that proposals move to the corner of both; the middle is 7 and 1.7."""
    tpe = propose("tpe", trials=60)[-20:]
    assert sum(p["adc.bits"] for p in tpe) / 20 > 8.5
    nsga2 = propose("nsga2", trials=300)[-50:]
    assert sum(p["training.learning_rate"] for p in nsga2) / 50 < 1.2


def test_the_quasi_random_start_covers_every_level():
    points = propose("quasi_random", trials=32)
    assert {p["adc.bits"] for p in points} == set(range(4, 11))
    assert {p["accumulator.bits"] for p in points} == {2, 8, "float"}


def test_nsga2_proposes_the_same_whether_it_forgets_what_it_no_longer_looks_at_or_not():
    """Some trials fail, and some are in flight when a generation begins."""

    def propose_(forget, trials, lookahead):
        proposer = OptunaProposer(SPACE, ["maximise", "minimise"], sampler="nsga2", seed=0, startup=8, forget=forget)
        asked = []
        for number in range(trials):
            done = number - lookahead
            if done >= 0:
                p = asked[done]
                failed = done % 7 == 3
                proposer.tell(
                    done, None if failed else [p["adc.bits"], p["network.width"] * p["training.learning_rate"]]
                )
            asked.append(proposer.ask())
        return asked, len(proposer._study.trials)

    for lookahead in (1, 70):
        kept, all_trials = propose_(False, 330, lookahead)
        forgotten, window = propose_(True, 330, lookahead)
        assert kept == forgotten
        assert all_trials == 330
        assert window < 250
