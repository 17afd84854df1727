"""Random numbers that are functions of a counter: normal, uniform, independent. Alarm rate of each test below 1e-5."""

import math

import numpy as np
import pytest
from scipy import special, stats

from dse.kernel.arithmetic import (
    LARGEST_NORMAL,
    NORMALS_BLOCK,
    exponential,
    fill_normals,
    mean,
    normal_range,
    normals,
    power,
    sigmoid,
    uniform_range,
)

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


@pytest.mark.parametrize("start", [0, 1, 77, NORMALS_BLOCK, 10**12 + 3])
@pytest.mark.parametrize("length", [0, 1, NORMALS_BLOCK - 1, NORMALS_BLOCK, NORMALS_BLOCK + 1, 5 * NORMALS_BLOCK + 19])
def test_draws_in_blocks_are_the_draws_one_by_one(start: int, length: int) -> None:
    block = np.full(length, np.nan, np.float32)
    fill_normals(np.uint64(13), start, block)
    one_by_one = normals(13, np.arange(start, start + length))
    assert np.array_equal(block, one_by_one)
    assert np.array_equal(normal_range(13, start, length), one_by_one)


def test_draws_in_blocks_fill_what_they_are_given_and_nothing_beside_it() -> None:
    room = np.zeros(2 * NORMALS_BLOCK, np.float32)
    fill_normals(np.uint64(13), 5, room[10:300])
    assert not room[:10].any()
    assert not room[300:].any()
    assert np.array_equal(room[10:300], normals(13, np.arange(5, 295)))


def test_the_exponential_is_exact_to_single_precision() -> None:
    x = np.concatenate([np.linspace(-87, 88, 200_001), np.linspace(-1e-3, 1e-3, 1001)]).astype(np.float32)
    assert np.abs(exponential(x) / np.exp(x.astype(float)) - 1).max() < 3e-7
    assert exponential(np.zeros(1, np.float32))[0] == 1.0


def test_the_exponential_is_cut_where_single_precision_ends() -> None:
    ends = exponential(np.array([[-1e4, -87.0], [88.0, 1e4]], np.float32))
    assert ends.shape == (2, 2)
    assert ends[0, 0] == ends[0, 1]
    assert ends[1, 0] == ends[1, 1]
    assert np.isfinite(ends).all()


def test_a_mean_is_summed_in_double_precision_in_order() -> None:
    x = (1e3 + normal_range(5, 0, 100_003) * np.float32(250.0)).reshape(1, 100_003)
    before = x.copy()
    assert mean(x) == pytest.approx(math.fsum(x[0].tolist()) / x.size, rel=1e-12)
    total = 0.0
    for value in x[0].tolist():
        total += value
    assert mean(x) == total / x.size
    assert np.array_equal(x, before)


def test_the_mean_of_a_table_runs_along_its_rows() -> None:
    table = np.array([[1e16, 1.0], [-1e16, 3.0]], np.float32)
    big, small = float(np.float32(1e16)), 1.0
    assert mean(table) == ((big + small) - big + 3.0) / 4
    assert mean(table.T) == ((big - big) + small + 3.0) / 4
