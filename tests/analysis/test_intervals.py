"""Intervals of means, held against those of scipy."""

import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from dse.analysis.intervals import half_width, mean_half_width, welch_half_width

A, B = np.array([1.0, 2.0, 4.0]), np.array([0.5, 2.5, 1.0])


def half(interval) -> float:
    return (interval.high - interval.low) / 2


def test_the_interval_of_a_mean_of_paired_differences_is_that_of_scipy():
    assert mean_half_width(A - B) == pytest.approx(half(stats.ttest_rel(A, B).confidence_interval(0.95)))


def test_the_interval_of_a_difference_of_means_is_welch_s_as_in_scipy():
    longer = np.append(B, 3.0)
    expected = half(stats.ttest_ind(A, longer, equal_var=False).confidence_interval(0.95))
    assert welch_half_width(A, longer) == pytest.approx(expected)


def test_a_single_value_has_no_interval_and_equal_values_have_one_of_no_width():
    assert math.isnan(mean_half_width(A[:1]))
    assert math.isnan(welch_half_width(A[:1], B))
    assert welch_half_width(np.ones(2), np.full(3, 5.0)) == 0.0


def test_a_column_of_intervals_holds_that_of_each_mean_and_null_for_a_single_value():
    groups = pl.DataFrame({"std": [A.std(ddof=1), B.std(ddof=1), None], "count": [3, 3, 1]})
    found = groups.select(half_width(pl.col("std"), pl.col("count"))).to_series().to_list()
    assert found == [pytest.approx(mean_half_width(A)), pytest.approx(mean_half_width(B)), None]
