"""Random numbers that are functions of a counter: normal, uniform, independent. Alarm rate of each test below 1e-5."""

import numpy as np
import pytest
from scipy import special, stats

from dse.compiled import LARGEST_NORMAL, normal_range, normals, power, sigmoid, uniform_range

COUNT = 1_000_000


@pytest.mark.parametrize("key", [0, 1, 2**62 + 12345])
def test_normal_numbers_are_normal(key: int) -> None:
    draws = normal_range(key, 0, COUNT).astype(float)
    assert stats.kstest(draws, "norm").pvalue > 1e-6
    assert abs(draws.mean()) * np.sqrt(COUNT) < 5
    assert abs(draws.var() - 1) * np.sqrt(COUNT / 2) < 5
    assert abs(stats.skew(draws)) * np.sqrt(COUNT / 6) < 5
    assert abs(stats.kurtosis(draws)) * np.sqrt(COUNT / 24) < 5
    tail = (abs(draws) > 4).sum()
    assert abs(tail - COUNT * 2 * stats.norm.sf(4)) < 5 * np.sqrt(COUNT * 2 * stats.norm.sf(4))


def test_no_normal_number_exceeds_the_bound_that_skipped_draws_rely_on() -> None:
    assert max(abs(normal_range(key, 0, COUNT)).max() for key in range(10)) < LARGEST_NORMAL


def test_uniform_numbers_are_uniform_and_never_0_or_1() -> None:
    draws = uniform_range(7, 0, COUNT)
    assert 0.0 < draws.min() < draws.max() < 1.0
    assert stats.kstest(draws.astype(float), "uniform").pvalue > 1e-6


def test_a_draw_depends_on_its_counter_alone() -> None:
    whole = normal_range(3, 0, 1000)
    assert np.array_equal(normal_range(3, 400, 100), whole[400:500])
    assert np.array_equal(normals(3, np.array([[5, 900], [0, 5]])), whole[[[5, 900], [0, 5]]])


@pytest.mark.parametrize("lag", [1, 2, 250, 1024])
def test_neighbouring_counters_and_keys_are_independent(lag: int) -> None:
    draws = normal_range(11, 0, COUNT).astype(float)
    assert abs(np.corrcoef(draws[:-lag], draws[lag:])[0, 1]) * np.sqrt(COUNT - lag) < 5
    other = normal_range(11 + lag, 0, COUNT).astype(float)
    assert abs(np.corrcoef(draws, other)[0, 1]) * np.sqrt(COUNT) < 5


def test_functions_are_exact_to_single_precision() -> None:
    x = np.linspace(-30, 30, 100_001, dtype=np.float32)
    assert np.abs(sigmoid(x) / special.expit(x.astype(float)) - 1).max() < 3e-7
    base = np.geomspace(1, 1e9, 100_001, dtype=np.float32)
    assert np.abs(power(base, np.full_like(base, -0.04)) / base.astype(float) ** -0.04 - 1).max() < 3e-7
