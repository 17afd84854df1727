"""The inverse question, on studies whose true region is known."""

import numpy as np
import pytest
from scipy.stats import binomtest

from dse.analysis.inverse.region import everything, find_region, inside, levels_of
from dse.analysis.inverse.require import next_table, region_table, require, summary_table, wilson
from dse.analysis.inverse.targets import Target, parse_target, parse_targets
from dse.errors import QueryError
from tests.analysis.synthetic import study


def truth(p):
    """Accuracy falls with epsilon beyond 2 and needs 7 bits; zero rounding fails; the learning rate does nothing."""
    good = p["accumulator.epsilon"] <= 2.0 and p["adc.bits"] >= 7 and p["accumulator.rounding"] != "zero"
    return {"accuracy": 0.98 if good else 0.9, "energy_per_sample_j": 1e-9 * p["adc.bits"]}


TARGETS = [Target("accuracy", ">=", 0.95)]


@pytest.fixture(scope="module")
def answer():
    return require(study(truth), TARGETS)


def rows(answer):
    return {row["parameter"]: row for row in region_table(answer).iter_rows(named=True)}


def test_the_true_region_is_recovered_with_one_sided_bounds(answer):
    found = rows(answer)
    assert found["accumulator.epsilon"]["low"] is None
    assert found["accumulator.epsilon"]["high"] == pytest.approx(2.0, rel=0.1)
    assert (found["adc.bits"]["low"], found["adc.bits"]["high"]) == (7.0, None)
    assert found["accumulator.rounding"]["choices"] == "nearest, stochastic"


def test_a_parameter_that_does_not_matter_stays_open_and_comes_first(answer):
    table = region_table(answer)
    assert table["parameter"][0] == "training.learning_rate"
    assert table["demand"][0] == "any"
    assert table["kept"].to_list() == sorted(table["kept"], reverse=True)


def test_two_targets_close_a_parameter_on_both_sides():
    both = [*TARGETS, Target("energy_per_sample_j", "<=", 8.5e-9)]
    found = rows(require(study(truth), both))
    assert (found["adc.bits"]["low"], found["adc.bits"]["high"]) == (7.0, 8.0)


def test_how_sure_it_is_is_counted_inside_held_out_and_predicted(answer):
    table = summary_table(answer).rows(named=True)
    whole, here, held, predicted = table
    assert whole["designs"] == 400
    assert here["share"] >= 0.9
    assert (here["low"], here["high"]) == wilson(here["meeting"], here["designs"])
    assert held["share"] > 0.8
    assert predicted["share"] > 0.8


@pytest.mark.slow
def test_noise_makes_it_less_sure():
    clear = summary_table(require(study(truth), TARGETS))["share"].to_list()
    noisy = summary_table(require(study(truth, noise=0.04), TARGETS))["share"].to_list()
    assert noisy[2] < clear[2]
    assert noisy[3] < clear[3]


def test_what_to_simulate_next_lies_at_the_boundary(answer):
    table = next_table(answer, 5)
    assert len(table) == 5
    assert ((table["probability"] - 0.5).abs() < 0.45).all()
    assert set(table["accumulator.rounding"]) <= {"nearest", "stochastic", "zero"}
    good = table["accumulator.epsilon"].is_between(1.0, 3.0) | table["adc.bits"].is_between(6, 7)
    assert good.sum() >= 4


@pytest.mark.slow
def test_the_answer_is_the_same_again():
    tables = study(truth, count=100)
    first, again = (require(tables, TARGETS, seed=7) for _ in range(2))
    assert next_table(first).equals(next_table(again))
    assert summary_table(first).equals(summary_table(again))


def test_a_bound_binds_only_where_the_parameter_acts():
    # With "zero" rounding epsilon does not act, and all is well there.
    def metrics(p):
        return {"accuracy": 0.98 if p["accumulator.rounding"] == "zero" or p["accumulator.epsilon"] <= 1.0 else 0.9}

    def idle(p):
        return {"accumulator.epsilon"} if p["accumulator.rounding"] == "zero" else set()

    found = rows(require(study(metrics, idle=idle), TARGETS))
    assert found["accumulator.rounding"]["demand"] == "any"
    assert found["accumulator.epsilon"]["high"] == pytest.approx(1.0, rel=0.1)


@pytest.mark.one_in(5)
@pytest.mark.parametrize("seed", range(5))
def test_a_region_holds_the_share_and_cannot_be_widened_by_a_value(seed):
    tables = study(lambda p: {"accuracy": p["training.learning_rate"]}, count=60, noise=0.2, seed=seed)
    answer = require(tables, [Target("accuracy", ">=", 0.6)], share=0.8)
    levels, meets = levels_of(answer.designs), answer.meets
    region = find_region(levels, meets, 0.8)
    here = inside(region, levels.codes)
    by_definition = [
        all(c < 0 or allowed[c] for allowed, c in zip(region, column, strict=True)) for column in levels.codes.T
    ]
    assert here.tolist() == by_definition
    share = meets[here].mean()
    for place, parameter in enumerate(levels.axes):
        outside = np.flatnonzero(~region[place])
        ends = np.flatnonzero(region[place])
        beside = [v for v in outside if not parameter.is_ordered or v in (ends[0] - 1, ends[-1] + 1)]
        for value in beside:
            wider = [allowed.copy() for allowed in region]
            wider[place][value] = True
            gained = inside(wider, levels.codes) & ~here
            assert gained.any()
            assert meets[gained].mean() < min(share, 0.8)


def test_where_all_designs_meet_the_target_everything_is_allowed():
    answer = require(study(truth, count=50), [Target("accuracy", ">", 0.5)])
    assert all(allowed.all() for allowed in answer.region)
    assert len(everything(answer.levels)) == 4


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (3, 7), (20, 20), (41, 60)])
def test_the_interval_of_a_share_is_wilsons(hits, count):
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_targets_are_read():
    assert parse_target("accuracy", " >=0.975 ") == Target("accuracy", ">=", 0.975)
    assert parse_target("energy_per_sample_j", "< 1e-7") == Target("energy_per_sample_j", "<", 1e-7)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"accuracy": "=> 0.9"}, "target '=> 0.9' of accuracy is not understood; give >=, <=, > or < and a number"),
        ({"accuracy": "0.9"}, "such as"),
        ({"loss": "<= much"}, "'much' is not a number"),
        ({"loss": "<= nan"}, "'nan' is not a number"),
        ({"acuracy": ">= 1"}, "unknown metric 'acuracy'; did you mean 'accuracy'?"),
        ({}, "no target is given"),
    ],
)
def test_a_malformed_target_says_what_came_and_what_is_allowed(given, message):
    with pytest.raises(QueryError, match="(?s)" + message.replace("?", r"\?")):
        parse_targets(given)


def test_a_target_out_of_reach_says_what_the_best_is():
    with pytest.raises(QueryError, match=r"(?s)none of 400 complete designs meets all targets.*the best is 0\.98"):
        require(study(truth), [Target("accuracy", ">=", 0.99)])


def test_too_few_designs_are_told():
    with pytest.raises(QueryError, match="3 complete designs; a region needs at least 10"):
        require(study(truth, count=3), TARGETS)


def test_a_share_out_of_range_is_refused():
    with pytest.raises(QueryError, match=r"share 1\.5 is not allowed"):
        require(study(truth), TARGETS, share=1.5)
