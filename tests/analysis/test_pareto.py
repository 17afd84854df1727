"""Fronts: the definition written out is the judge."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.analysis.fronts.pareto import are_on_fronts, front, is_on_front
from dse.errors import QueryError


def by_definition(points, goals):
    signs = [-1 if goal == "maximise" else 1 for goal in goals]
    costs = [[sign * value for sign, value in zip(signs, point, strict=True)] for point in points]
    known = [not any(np.isnan(cost)) for cost in costs]

    def dominated(i):
        return any(
            known[j] and all(a <= b for a, b in zip(costs[j], costs[i], strict=True)) and costs[j] != costs[i]
            for j in range(len(costs))
        )

    return [known[i] and not dominated(i) for i in range(len(costs))]


@pytest.mark.slow
@given(
    st.integers(2, 4).flatmap(
        lambda width: st.tuples(
            st.lists(st.sampled_from(["maximise", "minimise"]), min_size=width, max_size=width),
            st.lists(
                st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, float("nan")]), min_size=width, max_size=width),
                max_size=25,
            ),
        )
    )
)
@settings(max_examples=200, derandomize=True, deadline=None)
def test_the_front_is_that_of_the_definition_with_ties_duplicates_and_gaps(case):
    goals, points = case
    array = np.array(points, dtype=float).reshape(len(points), len(goals))
    before = array.copy()
    assert is_on_front(array, goals).tolist() == by_definition(points, goals)
    assert np.array_equal(array, before, equal_nan=True)


def test_a_table_keeps_its_columns_and_is_sorted_by_the_first_objective():
    table = pl.DataFrame({"trial": [0, 1, 2, 3], "accuracy": [0.9, 0.95, 0.8, None], "worst_writes": [5, 9, 7, 1]})
    assert front(table, ["accuracy", "worst_writes"])["trial"].to_list() == [1, 0]


def test_an_unknown_objective_is_refused():
    with pytest.raises(QueryError, match="did you mean 'accuracy'"):
        front(pl.DataFrame({"accuracy": [1.0]}), ["acuracy"])


def test_fronts_of_many_sets_are_those_of_each():
    dice = np.random.default_rng(3)
    points = dice.integers(0, 6, (40, 12, 3)).astype(float)  # many ties, and some points that are equal
    points[dice.random(points.shape) < 0.03] = np.nan
    points[dice.random(points.shape) < 0.03] = np.inf
    for goals in (["minimise"] * 3, ["maximise", "minimise", "maximise"]):
        found = are_on_fronts(points, goals)
        assert [list(own) for own in found] == [by_definition(own, goals) for own in points]
        assert found.any(axis=1).all()
