"""Forests against trees by their definition, and what they learn of a function that is known."""

from typing import Any

import numpy as np
import pytest

from dse.analysis.effects.forest import LEAF, Forest, forest_of, grown

Row = np.ndarray[Any, Any]


def by_definition(x: Row, y: Row, times: Row, row: Row) -> float:
    """What a tree predicts: at each node the split of least squares, until less than two rows were on a side."""

    def squares(part: Row) -> float:
        return float(np.sum(times[part] * (y[part] - np.average(y[part], weights=times[part])) ** 2))

    here = np.flatnonzero(times > 0)
    while True:
        tried = [
            (squares(here[low]) + squares(here[~low]), column, threshold)
            for column in range(x.shape[1])
            for values in [np.unique(x[here, column])]
            for threshold in (values[1:] + values[:-1]) / 2
            for low in [x[here, column] <= threshold]
            if min(low.sum(), (~low).sum()) >= LEAF
        ]
        if not tried:
            return float(np.average(y[here], weights=times[here]))
        _, column, threshold = min(tried)
        here = here[(x[here, column] <= threshold) == (row[column] <= threshold)]


def data(rows: int, seed: int = 0) -> tuple[Row, Row, np.random.Generator]:
    random = np.random.default_rng(seed)
    x = np.stack([random.choice([2.0, 4.0, 8.0], rows), random.random(rows), random.random(rows)], axis=1)
    return x, x[:, 0] / 4 + np.sin(5 * x[:, 1]) + random.normal(scale=0.1, size=rows), random


@pytest.mark.parametrize("rows", [2, 3, 7, 24])
def test_a_tree_is_the_one_of_the_definition(rows: int) -> None:
    x, y, random = data(rows)
    sample = random.integers(0, rows, rows)
    times = np.bincount(sample, minlength=rows)
    for drawn, counts in ((np.arange(rows), np.ones(rows)), (sample, times)):
        forest = grown(x, y, [drawn], random)
        seen = np.flatnonzero(counts)
        wanted = [by_definition(x, y, counts, row) for row in x[seen]]
        np.testing.assert_allclose(forest.predict(x[seen]), wanted, rtol=1e-12)


def test_trees_that_grow_together_are_those_that_grow_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, random = data(40)
    samples = list(random.integers(0, 40, (12, 40)))
    together = grown(x, y, samples, np.random.default_rng(1))
    for number, sample in enumerate(samples):
        alone = grown(x, y, [sample], np.random.default_rng(1))
        seen = np.unique(sample)
        np.testing.assert_allclose(together.part(number, 1).predict(x[seen]), alone.predict(x[seen]), rtol=1e-9)
    whole = together.predict(x)
    monkeypatch.setattr("dse.analysis.effects.forest.ENTRIES", 100)
    few = grown(x, y, samples, np.random.default_rng(1))
    seen = np.arange(40)[np.all([np.isin(np.arange(40), sample) for sample in samples[:2]], axis=0)]
    np.testing.assert_allclose(few.part(0, 2).predict(x[seen]), together.part(0, 2).predict(x[seen]), rtol=1e-9)
    np.testing.assert_allclose(together.predict(x), whole, rtol=1e-12)


def test_what_never_changes_is_one_leaf() -> None:
    x, _, random = data(10)
    forest = forest_of(x, np.full(10, 3.0), 4, random)
    assert len(forest.left) == 4
    assert forest.predict(x).tolist() == [3.0] * 10


def shuffled_away(forest: Forest, x: Row, y: Row, random: np.random.Generator) -> list[float]:
    """By how much R2 falls, for each column."""
    total = np.sum((y - y.mean()) ** 2)
    found = []
    for column in range(x.shape[1]):
        mixed = np.tile(x, (10, 1))
        mixed[:, column] = random.permutation(mixed[:, column])
        lost = np.sum((np.tile(y, 10) - forest.predict(mixed)) ** 2) / 10
        found.append(float((lost - np.sum((y - forest.predict(x)) ** 2)) / total))
    return found


def test_importances_of_a_sum_are_those_of_its_parts() -> None:
    """Of a perfect model of sum of a_i x_i, R2 falls by 2 a_i^2 / sum of a^2, where all x vary alike.

    The forest has 400 designs and is no perfect model: within 0.12 in 20 seeds of 20.
    """
    factors = np.array([4.0, 2.0, 1.0, 0.0])
    random = np.random.default_rng(0)
    x, fresh = random.random((400, 4)), random.random((400, 4))
    forest = forest_of(x, x @ factors, 40, random)
    found = shuffled_away(forest, fresh, fresh @ factors, random)
    assert np.argsort(found)[::-1].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(found, 2 * factors**2 / np.sum(factors**2), atol=0.12)
