"""Ranks, hypervolumes, knees, epsilon-fronts and distances: the definitions written out are the judges."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.analysis.fronts import quality
from dse.analysis.fronts.pareto import is_on_front, ranks

GAP = float("nan")


def cases(values=(0.0, 1.0, 2.0, 3.0, GAP), widths=(2, 5), size=16):
    """Goals and points on a coarse grid, so that ties, duplicates and gaps are common."""
    return st.integers(*widths).flatmap(
        lambda width: st.tuples(
            st.lists(st.sampled_from(["maximise", "minimise"]), min_size=width, max_size=width),
            st.lists(st.lists(st.sampled_from(values), min_size=width, max_size=width), max_size=size),
        )
    )


judged = settings(max_examples=150, derandomize=True, deadline=None)


def unpacked(case):
    goals, points = case
    array = np.array(points, dtype=float).reshape(len(points), len(goals))
    costs = [tuple(-v if g == "maximise" else v for v, g in zip(p, goals, strict=True)) for p in array.tolist()]
    return goals, array, costs


def known(cost):
    return not any(math.isnan(v) for v in cost)


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


@pytest.mark.slow
@given(cases())
@judged
def test_ranks_peel_one_front_after_the_other(case):
    goals, points, costs = unpacked(case)
    expected, left, rank = [-1] * len(costs), {i for i, c in enumerate(costs) if known(c)}, 0
    while left:
        peeled = {i for i in left if not any(dominates(costs[j], costs[i]) for j in left)}
        for i in peeled:
            expected[i] = rank
        left, rank = left - peeled, rank + 1
    before = points.copy()
    assert ranks(points, goals).tolist() == expected
    assert np.array_equal(points, before, equal_nan=True)


@pytest.mark.slow
@given(cases(widths=(2, 4), size=8))
@judged
def test_the_hypervolume_counts_the_unit_cells_that_are_dominated(case):
    goals, points, costs = unpacked(case)
    reference = [3.0] * len(goals)
    as_given = np.array([-3.0 if g == "maximise" else 3.0 for g in goals])
    cells = itertools.product(*(np.arange(-3.0, corner) for corner in reference))
    expected = sum(any(known(c) and all(a <= b for a, b in zip(c, cell, strict=True)) for c in costs) for cell in cells)
    assert quality.hypervolume(points, goals, as_given) == pytest.approx(expected, abs=1e-9)


def test_joules_beside_pulses_lose_no_digits():
    points = np.array([[1e-9, 1e6], [2e-9, 5e5]])
    volume = quality.hypervolume(points, ["minimise", "minimise"], np.array([4e-9, 2e6]))
    assert volume == pytest.approx(3e-9 * 1e6 + 2e-9 * 5e5, rel=1e-12)


@pytest.mark.slow
@given(cases())
@judged
def test_the_worst_and_the_best_values_are_those_of_complete_points(case):
    goals, points, costs = unpacked(case)
    complete = [c for c in costs if known(c)]
    if complete:
        for found, pick in ((quality.worst(points, goals), max), (quality.ideal(points, goals), min)):
            expected = [pick(column) for column in zip(*complete, strict=True)]
            assert np.abs(found).tolist() == np.abs(expected).tolist()


@pytest.mark.slow
@given(cases(), st.booleans())
@judged
def test_the_distance_is_the_shortest_way_to_the_front_over_what_is_worse(case, chunked):
    goals, points, costs = unpacked(case)
    complete = [c for c in costs if known(c)]
    span = [(max(column) - min(column)) or 1.0 for column in zip(*complete, strict=True)]
    best = [c for c in complete if not any(dominates(o, c) for o in complete)]
    expected = [
        min(
            math.dist(
                [max(a, b) / s for a, b, s in zip(c, y, span, strict=True)],
                [b / s for b, s in zip(y, span, strict=True)],
            )
            for y in best
        )
        if known(c)
        else GAP
        for c in costs
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "CHUNK", 7 if chunked else quality.CHUNK)
        found = quality.distances(points, goals)
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert ((found == 0.0) == is_on_front(points, goals)).all()


@pytest.mark.slow
@given(cases(), st.data())
@judged
def test_the_epsilon_front_holds_what_no_other_beats_by_more_than_epsilon(case, data):
    goals, points, costs = unpacked(case)
    epsilon = data.draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75]), min_size=len(goals), max_size=len(goals)))
    relative = data.draw(st.lists(st.booleans(), min_size=len(goals), max_size=len(goals)))

    def worsened(cost):
        return tuple(c + (e * abs(c) if r else e) for c, e, r in zip(cost, epsilon, relative, strict=True))

    expected = [known(c) and not any(known(o) and dominates(worsened(o), c) for o in costs) for c in costs]
    found = quality.is_on_epsilon_front(points, goals, np.array(epsilon), np.array(relative))
    assert found.tolist() == expected
    assert (found >= is_on_front(points, goals)).all()
    if not any(epsilon):
        assert found.tolist() == is_on_front(points, goals).tolist()


@pytest.mark.slow
@given(cases(size=10))
@settings(max_examples=25, derandomize=True, deadline=None)
def test_the_knee_value_is_what_the_best_choice_would_cost_more_without_the_point(case):
    goals, points, costs = unpacked(case)
    best = sorted({c for c in costs if known(c) and not any(known(o) and dominates(o, c) for o in costs)})
    low = [min(column) for column in zip(*best, strict=True)]
    span = [(max(column) - min(column)) or 1.0 for column in zip(*best, strict=True)]
    utility = dict.fromkeys(best, 0.0)
    for weight in quality.weightings(len(goals), 0) if len(best) > 1 else ():
        price = {c: sum(w * (v - lo) / s for w, v, lo, s in zip(weight, c, low, span, strict=True)) for c in best}
        first = min(best, key=price.__getitem__)
        utility[first] += (min(price[c] for c in best if c != first) - price[first]) / quality.WEIGHTS
    assert quality.knees(points, goals) == pytest.approx([utility.get(c, GAP) for c in costs], abs=1e-9, nan_ok=True)


def test_the_corner_of_a_bent_front_is_its_knee():
    x = np.linspace(0, 1, 21)
    bent = np.stack([x, np.where(x < 0.3, 1 - 3 * x, 0.1 * (1 - x) / 0.7)], axis=1)
    assert x[np.nanargmax(quality.knees(bent, ["minimise", "minimise"]))] == pytest.approx(0.3)


@pytest.mark.slow
@given(cases(), cases())
@judged
def test_coverage_is_the_share_that_is_weakly_dominated(case, other):
    goals, points, costs = unpacked(case)
    others = [p[: len(goals)] + [1.0] * (len(goals) - len(p)) for p in other[1]]
    _, array, targets = unpacked((goals, others))
    met = [any(known(c) and (dominates(c, t) or c == t) for c in costs) for t in targets if known(t)]
    expected = np.mean(met) if met else GAP
    assert quality.coverage(points, array, goals) == pytest.approx(expected, nan_ok=True)


def test_what_is_infinite_counts_as_one_range_beyond_the_finite_values():
    """Lives of 1, 3 and for ever at costs of 1, 2 and 4: the last is 5 on a scale of finite lives from 1 to 3."""
    points, goals = np.array([[1.0, 1.0], [3.0, 2.0], [np.inf, 4.0], [1.0, 2.0]]), ["maximise", "minimise"]
    finite = np.where(np.isinf(points), 5.0, points)
    assert quality.distances(points, goals).tolist() == quality.distances(finite, goals).tolist()
    assert quality.knees(points, goals)[:3].tolist() == quality.knees(finite, goals)[:3].tolist()
    assert quality.hypervolume(points, goals, np.array([0.0, 5.0])) == np.inf
    assert quality.hypervolume(points, goals, np.array([0.0, 3.0])) == quality.hypervolume(
        points[:2], goals, np.array([0.0, 3.0])
    )
