"""What a sieve leaves has the front of all points, whatever is missing, infinite or tied."""

import numpy as np
import pytest

from dse.analysis.fronts import sieve
from dse.analysis.fronts.pareto import is_on_front, ranks

GOALS = ["maximise", "minimise", "minimise", "maximise"]


def by_definition(points, goals):
    costs = points * np.array([-1.0 if goal == "maximise" else 1.0 for goal in goals])
    known = ~np.isnan(costs).any(axis=1)
    return np.array(
        [
            known[n] and not ((costs <= c).all(axis=1) & (costs < c).any(axis=1) & known).any()
            for n, c in enumerate(costs)
        ]
    )


@pytest.mark.parametrize("seed", range(12))
def test_the_front_behind_a_sieve_is_that_of_the_definition(seed, monkeypatch):
    monkeypatch.setattr(sieve, "SMALL", 40)
    monkeypatch.setattr(sieve, "SAMPLE", 30)
    random = np.random.default_rng(seed)
    objectives = 1 + seed % 4
    points = random.normal(size=(500, objectives))
    if seed % 3 == 1:
        points = np.floor(points * 2.0)
    if seed % 3 == 2:
        points[random.random(points.shape) < 0.1] = np.nan
        points[random.random(points.shape) < 0.1] = np.inf
        points[random.random(points.shape) < 0.05] = -np.inf
    before, goals = points.copy(), GOALS[:objectives]
    on = is_on_front(points, goals)
    assert np.array_equal(on, by_definition(points, goals))
    assert np.array_equal(points, before, equal_nan=True)
    if seed in (0, 6, 9):  # without holes and ties, up to three objectives: the sieve must have had its part
        left = sieve.sieved(points, goals)
        assert left is not None
        assert len(left) < 400


def test_a_sieve_leaves_a_front_of_most_points_alone(monkeypatch):
    monkeypatch.setattr(sieve, "SMALL", 40)
    points = np.stack([np.arange(3000.0), np.arange(3000.0)], axis=1)  # more of the first is more of the second
    assert sieve.sieved(points, GOALS[:2]) is None
    assert is_on_front(points, GOALS[:2]).all()
    assert sieve.sieved(np.full((3000, 2), np.nan), GOALS[:2]) is None
    assert not is_on_front(np.full((3000, 2), np.nan), GOALS[:2]).any()


def test_many_infinite_values_have_a_front_and_ranks():
    random = np.random.default_rng(1)
    points = random.normal(size=(500, 3))
    points[random.random(points.shape) < 0.1] = np.inf
    points[random.random(points.shape) < 0.1] = -np.inf
    on = is_on_front(points, GOALS[:3])
    assert np.array_equal(on, by_definition(points, GOALS[:3]))
    assert np.array_equal(on, ranks(points, GOALS[:3]) == 0)
