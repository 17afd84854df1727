"""Intervals, probabilities and bands: closed forms and definitions are the judges."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dse.analysis.fronts.confidence import (
    attainment,
    bands,
    drawn_means,
    front_probability,
    half_widths,
    intervals,
    replicates,
)
from dse.analysis.tables.tables import open_tables
from dse.pricing.bounds import Bound

BOTH = ["minimise", "minimise"]


def test_intervals_are_those_of_student(replicated):
    tables = open_tables(replicated)
    found = intervals(tables)
    for trial in (0, 5):
        values = tables.trials.filter(pl.col("trial") == trial)["validation_accuracy"].to_numpy()
        low, high = stats.t.interval(0.95, 2, values.mean(), values.std(ddof=1) / math.sqrt(3))
        row = found.filter((pl.col("trial") == trial) & (pl.col("metric") == "validation_accuracy")).row(0, named=True)
        assert row["seeds"] == 3
        assert (row["low"], row["high"]) == pytest.approx((low, high), rel=1e-12)
    same = found.filter(pl.col("metric") == "weights")
    assert set(same["ci95"]) == {0.0}


@pytest.mark.slow
def test_one_seed_has_a_mean_and_no_interval(undisturbed):
    found = intervals(open_tables(undisturbed))
    assert set(found["seeds"]) == {1}
    assert found["mean"].null_count() == 0
    assert found["ci95"].null_count() == len(found)


def test_a_metric_missing_under_one_seed_has_no_interval(replicated):
    tables = open_tables(replicated)
    gap = (pl.col("trial") == 5) & (pl.col("seed") == 1)
    holed = replace(tables, trials=tables.trials.with_columns(loss=pl.when(gap).then(None).otherwise("loss")))
    assert half_widths(holed, ["loss"]).filter(pl.col("trial") == 5)["ci95_loss"].to_list() in ([None], [])
    values = replicates(holed, pl.Series([4, 5]), ["loss", "worst_writes"])
    assert np.isnan(front_probability(values, BOTH)).tolist() == [False, True]


@pytest.mark.slow
def test_draws_have_the_interval_that_is_shown():
    values = np.random.default_rng(5).normal(size=(4, 3, 2))
    drawn = np.stack(list(drawn_means(values, 20_000)))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    half = stats.t.ppf(0.975, 2) * values.std(axis=1, ddof=1) / math.sqrt(3)
    assert (high - low) / 2 == pytest.approx(half, rel=0.08)
    assert np.median(drawn, axis=0) == pytest.approx(values.mean(axis=1), abs=0.03)


@pytest.mark.slow
def test_the_probability_of_the_better_of_two_is_that_of_student():
    # One objective differs, and of the other design the mean is known: a t distribution of two degrees at a bound.
    values = np.array([[[0.0, 1.0], [1.0, 1.0], [2.5, 1.0]], [[1.0, 1.0]] * 3])
    replicate = values[0, :, 0]
    t = (1.0 - replicate.mean()) / (replicate.std(ddof=1) / math.sqrt(3))
    expected = stats.t.cdf(t, 2)
    found = front_probability(values, BOTH, draws=20_000)
    assert found == pytest.approx([expected, 1 - expected], abs=5 * 0.5 / math.sqrt(20_000))


def test_without_noise_the_probability_is_nought_or_one_and_ties_stay_ties():
    point = [[0.1, 0.7], [0.1, 0.7], [0.7, 0.1], [0.7, 0.2]]
    values = np.repeat(np.array(point)[:, None], 3, axis=1)
    assert front_probability(values, BOTH).tolist() == [1.0, 1.0, 1.0, 0.0]


def test_an_infinite_replicate_is_no_gap_in_the_draws():
    """Cells that are not written live for ever under one seed; the design is feasible and ahead in every draw."""
    values = np.array([[[0.9, math.inf], [0.91, 1e6]], [[0.8, 1e6], [0.81, 1.1e6]]])
    bound = Bound("trainings_to_1_percent", ">=", 1000.0)
    found = front_probability(values, ["maximise"], constraints=[bound])
    assert found == pytest.approx([1.0, 0.0], abs=0.1)
    drawn = np.stack(list(drawn_means(values, 50)))
    assert np.all(drawn[:, 0, 1] == math.inf)
    assert np.all(np.isfinite(drawn[:, 1]))
    assert np.all(np.isfinite(drawn[:, 0, 0]))
    assert front_probability(values, ["maximise", "maximise"]).tolist() == pytest.approx([1.0, 0.0], abs=0.1)


def test_values_of_which_one_is_infinite_have_a_mean_and_no_interval(replicated):
    tables = open_tables(replicated)
    never = (pl.col("trial") == 5) & (pl.col("seed") == 1)
    longer = tables.trials.with_columns(loss=pl.when(never).then(math.inf).otherwise("loss"))
    found = intervals(replace(tables, trials=longer)).filter(pl.col("metric") == "loss")
    row = found.filter(pl.col("trial") == 5).row(0, named=True)
    assert row["mean"] == math.inf
    assert [row[name] for name in ("deviation", "ci95", "low", "high")] == [None] * 4
    assert found.filter(pl.col("trial") != 5)["ci95"].null_count() == 0


def test_a_design_with_one_seed_is_marked_and_still_counts():
    values = np.array([[[0.0, 0.0], [math.nan, math.nan]], [[1.0, 1.0], [2.0, 2.0]]])
    found = front_probability(values, BOTH)
    assert math.isnan(found[0])
    assert found[1] < 0.5


def test_the_same_seed_gives_the_same_draws():
    values = np.random.default_rng(1).normal(size=(5, 3, 2))
    assert front_probability(values, BOTH).tolist() == front_probability(values, BOTH).tolist()


@pytest.mark.slow
@given(
    st.sampled_from([2, 3]).flatmap(
        lambda width: st.tuples(
            st.lists(st.sampled_from(["maximise", "minimise"]), min_size=width, max_size=width),
            st.lists(
                st.lists(st.lists(st.integers(0, 4), min_size=width, max_size=width), min_size=1, max_size=6),
                min_size=1,
                max_size=5,
            ),
        )
    ),
    st.sampled_from([10.0, 50.0, 90.0]),
)
@settings(max_examples=150, derandomize=True, deadline=None)
def test_bands_hold_the_least_points_that_the_share_of_fronts_attains(case, percentile):
    goals, sets = case
    signs = np.array([-1 if goal == "maximise" else 1 for goal in goals])
    costs = [np.array(points) * signs for points in sets]
    wanted = math.ceil(round(len(sets) * percentile / 100, 9))
    grid = np.stack(np.meshgrid(*[np.arange(-4, 5)] * len(goals)), axis=-1).reshape(-1, len(goals))
    attained = [z for z in grid if sum((c <= z).all(axis=1).any() for c in costs) >= wanted]
    least = {tuple(z) for z in attained if not any((o <= z).all() and (o < z).any() for o in attained)}
    found = attainment([np.array(points, dtype=float) for points in sets], goals, [percentile])[percentile] * signs
    assert {tuple(z) for z in found} == least


def test_the_bands_of_a_noisy_front_enclose_it():
    x = np.linspace(0, 1, 15)
    values = np.stack([x, 1 - x], axis=1)[:, None] + np.random.default_rng(2).normal(0, 0.02, (15, 4, 2))
    surfaces = bands(values, BOTH)
    at = {p: min(y for x, y in surface if x <= 0.5) for p, surface in surfaces.items()}
    assert at[10.0] <= at[50.0] <= at[90.0]
    assert at[50.0] == pytest.approx(0.5, abs=0.1)
