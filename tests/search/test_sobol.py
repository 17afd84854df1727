"""The quasi-random sequence of searches against that of scipy."""

import numpy as np
import pytest
from scipy.stats import qmc

from dse.search.samplers import sobol


def of_scipy(dimensions: int, seed: int) -> qmc.Sobol:
    return qmc.Sobol(dimensions, scramble=True, rng=seed)


@pytest.mark.parametrize(("dimensions", "seed"), [(1, 0), (2, 5), (7, 4294967295), (60, 81)])
def test_points_are_those_of_scipy_to_the_last_bit(dimensions, seed):
    own, theirs = sobol.blocks_of(dimensions, seed), of_scipy(dimensions, seed)
    for _ in range(3):
        assert np.array_equal(own(), theirs.random(sobol.BLOCK))


def test_a_scipy_that_keeps_its_numbers_elsewhere_is_asked_itself(monkeypatch):
    monkeypatch.setattr(sobol, "_tables", lambda: None)
    assert np.array_equal(sobol.blocks_of(3, 9)(), of_scipy(3, 9).random(sobol.BLOCK))
