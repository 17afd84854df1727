"""The sampler with a model of every objective, part by part: against other libraries and closed forms."""

import math

import moocore
import numpy as np
import pytest
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from dse.analysis.fronts.pareto import is_on_front
from dse.designs.space import Choice, FloatRange, IntRange
from dse.search.samplers.base import Problem
from dse.search.samplers.model import Model
from dse.search.samplers.model.belief import Belief, _box, transformed
from dse.search.samplers.model.encoding import Encoding
from dse.search.samplers.model.gain import boxes, expected_gain, log_expected_improvement
from dse.search.samplers.model.kriging import JITTER, Process, Scales, _negative_log_posterior, learned
from dse.search.samplers.quasi_random import QuasiRandom

DRAWS = np.random.Generator(np.random.PCG64(7))
X = DRAWS.random((30, 3))
Y = np.sin(4.0 * X[:, 0]) + X[:, 1] ** 2 + 0.1 * DRAWS.standard_normal(30)
SCALES = Scales(np.log([0.4, 0.8, 3.0]), math.log(1.5), math.log(0.02))


def test_a_process_predicts_what_that_of_scikit_learn_does() -> None:
    kernel = ConstantKernel(1.5, "fixed") * Matern([0.4, 0.8, 3.0], "fixed", nu=2.5) + WhiteKernel(0.02, "fixed")
    other = GaussianProcessRegressor(kernel, alpha=JITTER, optimizer=None).fit(X, Y - Y.mean())
    at = DRAWS.random((50, 3))
    mean, deviation = Process(X, Y, SCALES).predict(at)
    theirs, with_noise = other.predict(at, return_std=True)
    assert np.allclose(mean, Y.mean() + theirs, rtol=1e-9, atol=1e-9)
    assert np.allclose(deviation**2, with_noise**2 - 0.02, rtol=1e-6, atol=1e-9)


def test_values_of_less_noise_weigh_more_as_in_scikit_learn() -> None:
    known = 0.5 * DRAWS.random(len(Y))
    kernel = ConstantKernel(1.5, "fixed") * Matern([0.4, 0.8, 3.0], "fixed", nu=2.5)
    other = GaussianProcessRegressor(kernel, alpha=0.02 + known + JITTER, optimizer=None).fit(X, Y - Y.mean())
    mean, deviation = Process(X, Y, SCALES, known).predict(X)
    theirs, spread = other.predict(X, return_std=True)
    assert np.allclose(mean, Y.mean() + theirs, rtol=1e-9, atol=1e-9)
    assert np.allclose(deviation, spread, rtol=1e-6, atol=1e-9)


def test_values_that_came_out_as_expected_are_believed_as_if_they_had_been_seen() -> None:
    process, more, at = Process(X, Y, SCALES), DRAWS.random((4, 3)), DRAWS.random((20, 3))
    told = np.concatenate([Y, process.predict(more)[0]])
    seen = Process(np.concatenate([X, more]), told + Y.mean() - told.mean(), SCALES)  # the same constant mean
    process.believe(more)
    mean, deviation = process.predict(at)
    assert np.allclose(mean, Process(X, Y, SCALES).predict(at)[0], rtol=1e-12)
    assert np.allclose(deviation, seen.predict(at)[1], rtol=1e-9)


def test_what_is_not_counted_informs_the_models_and_is_no_part_of_the_front() -> None:
    y = np.stack([X[:, 0], 1.0 - X[:, 0] + X[:, 1]], axis=1)
    counted = X[:, 0] > 0.5
    noise = np.where(counted, 0.0, 0.04)[:, None] * np.ones(2)
    none = np.empty((len(X), 0))
    belief = Belief(X, y, none, X[:0], {}, noise=noise, counted=counted)
    assert set(belief.best) <= set(np.flatnonzero(counted))
    assert {*belief.best} == {*np.flatnonzero(counted)[is_on_front(y[counted], ["minimise"] * 2)]}
    means, deviations = belief.expected(X)
    assert np.abs(means - y)[counted].max() < 0.1
    assert (deviations[~counted].mean(axis=0) > 2.0 * deviations[counted].mean(axis=0)).all()
    paused = np.flatnonzero(~counted)
    gains = belief.gains(X[paused])
    assert gains.argmax() in is_on_front(y[paused], ["minimise"] * 2).nonzero()[0]
    assert np.argsort(-belief.worth(X[paused]))[0] == np.argsort(-gains)[0]
    sure = means[paused], np.full_like(means[paused], 1e-6)
    assert (belief.gains(X[paused], sure) >= 0.0).all()


def test_feasible_designs_that_are_far_from_all_known_ones_gain_where_they_are_looked_for() -> None:
    x = np.concatenate([np.linspace(0.0, 0.2, 6), np.linspace(0.25, 0.75, 8)])[:, None]
    y = np.concatenate([x, 1.0 - x], axis=1)
    limit = 0.3 - np.abs(x - 0.5)  # met at both ends of the axis
    far, everywhere = np.array([[0.9]]), np.linspace(0.0, 1.0, 101)[:, None]
    assert Belief(x, y, limit, x[:0], {}).gains(far) < 1e-6
    assert Belief(x, y, limit, x[:0], {}, elsewhere=everywhere).gains(far) > 0.01
    # Where all designs meet the bounds, and where none does, nothing changes.
    for same in (limit - 1.0, limit + 1.0):
        alone, told = (Belief(x, y, same, x[:0], {}, elsewhere=own) for own in (None, everywhere))
        assert (told.worth(everywhere) == alone.worth(everywhere)).all()


def test_the_gradient_of_the_posterior_is_that_of_differences() -> None:
    z = (Y - Y.mean()) / Y.std()
    squares = (X.T[:, :, None] - X.T[:, None, :]) ** 2
    theta, known = np.array([-0.5, 0.1, 0.7, 0.2, -3.0]), 0.3 * DRAWS.random(len(z))
    _, gradient = _negative_log_posterior(theta, squares, z, known)
    for k in range(len(theta)):
        step = np.zeros_like(theta)
        step[k] = 1e-5
        ends = (_negative_log_posterior(theta + s * step, squares, z, known)[0] for s in (1.0, -1.0))
        high, low = ends
        assert gradient[k] == pytest.approx((high - low) / 2e-5, rel=1e-5, abs=1e-6)


def test_an_axis_without_effect_has_the_longest_length() -> None:
    z = (Y - Y.mean()) / Y.std()
    found = learned(X, z)
    assert found.lengths[2] == max(found.lengths)
    assert 1e-4 < math.exp(found.noise) < 0.1  # 0.01 / 0.5 were put in


def a_front(objectives: int, points: int) -> np.ndarray:
    """Return a front, with ties where many designs share a value."""
    random = np.random.default_rng((objectives, points))
    found = 1.0 - np.abs(random.standard_normal((points, objectives)))
    found[::2] = np.round(found[::2], 1)
    return found[is_on_front(found, ["minimise"] * objectives)]


@pytest.mark.parametrize("objectives", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("points", [0, 1, 40])
def test_boxes_fill_what_a_front_leaves(objectives: int, points: int) -> None:
    front, reference = a_front(objectives, points), np.full(objectives, 0.9)
    free = boxes(front, reference)
    edges, least = free.edges, np.full(objectives, -4.0)
    lower, upper = (np.maximum(edges[np.arange(objectives), own], least) for own in (free.lower, free.upper))
    whole = float(np.prod(reference - least))
    left = whole - (moocore.hypervolume(front, ref=reference) if len(front) else 0.0)
    assert np.prod(upper - lower, axis=1).sum() == pytest.approx(left, rel=1e-9)
    if objectives <= 3:
        assert len(free.lower) <= (objectives - 1) * len(front) + 1


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
def test_the_expected_gain_is_that_of_simulated_designs(objectives: int) -> None:
    """A mean over 2,000 draws, within five standard errors."""
    front, reference, random = a_front(objectives, 12), np.ones(objectives), np.random.default_rng(objectives)
    mean, deviation = front.mean(axis=0)[None] - 0.2, 0.3 * random.random((1, objectives)) + 0.05
    draws = mean + deviation * random.standard_normal((2000, objectives))
    before = moocore.hypervolume(front, ref=reference)
    gains = [moocore.hypervolume(np.vstack([front, d]), ref=reference) - before for d in draws]
    error = 5.0 * np.std(gains) / math.sqrt(len(gains))
    assert expected_gain(mean, deviation, boxes(front, reference))[0] == pytest.approx(np.mean(gains), abs=error)


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_expected_gain_of_a_design_that_is_known_is_its_gain(objectives: int) -> None:
    front, reference, designs = a_front(objectives, 20), np.ones(objectives), DRAWS.random((50, objectives))
    before = moocore.hypervolume(front, ref=reference)
    gains = [moocore.hypervolume(np.vstack([front, d]), ref=reference) - before for d in designs]
    found = expected_gain(designs, np.full_like(designs, 1e-9), boxes(front, reference))
    assert np.allclose(found, gains, atol=1e-7)


def test_gains_far_behind_a_front_keep_their_order() -> None:
    means = np.linspace(2.0, 20.0, 10)[:, None] * np.ones(2)
    gains = expected_gain(means, np.ones_like(means), boxes(np.zeros((1, 2)) - 1.0, np.zeros(2)))
    assert (np.diff(gains) < 0.0).all()
    assert gains[-1] > 0.0


@pytest.mark.parametrize("z", [-30.0, -6.0, -4.9, -1.0, 0.0, 2.0])
def test_the_expected_improvement_is_its_closed_form(z: float) -> None:
    found = log_expected_improvement(np.array([1.0]), np.array([2.0]), 1.0 + 2.0 * z)[0]
    if z > -5.0:
        exact = math.log(2.0 * (stats.norm.pdf(z) + z * stats.norm.cdf(z)))
        assert found == pytest.approx(exact, rel=1e-6)
    else:  # phi(z) / z^2 (1 - 3 / z^2 + ...), where the closed form cancels
        assert found == pytest.approx(math.log(2.0) + stats.norm.logpdf(z) - 2.0 * math.log(-z), abs=3.5 / z**2)


def test_values_that_span_decades_are_modelled_by_their_logarithm() -> None:
    values = [(-0.5, 1e-9, -1.0), None, (-0.9, 1e-7, -1e3), (0.1, 2e-9, -math.inf)]
    found, _ = transformed(values)
    assert found[:, 0][[0, 2, 3]].tolist() == [-0.5, -0.9, 0.1]
    assert found[:, 1][[0, 2]].tolist() == pytest.approx([-9.0, -7.0])
    assert found[:, 2][[0, 2, 3]].tolist() == pytest.approx([0.0, -3.0, -4.0])
    assert np.isnan(found[1]).all()


def test_the_first_results_decide_on_which_scale_a_quantity_is_modelled() -> None:
    rates = [10.0**k for k in range(8)] + [1.0 + k for k in range(20)]
    shares = [0.1 + 0.1 * k for k in range(8)] + [10.0**-k for k in range(1, 20)] + [0.5]
    found, _ = transformed(list(zip(rates, shares, strict=True)), first=8)
    assert found[:, 0].tolist() == pytest.approx(np.log10(rates))
    assert found[:, 1].tolist() == shares


def test_designs_that_are_barely_better_do_not_decide_where_volumes_end() -> None:
    front = np.array([[0.0, 1.0, 0.5], [0.5, 0.0, 1.0], [1.0, 0.5, 0.0], [-0.01, 1.05, 3.0]])
    ideal, reference = _box(front)
    assert ideal.tolist() == [-0.01, 0.0, 0.0]
    assert reference.tolist() == pytest.approx([1.1, 1.1, 1.1])


MIXED = {
    "a": FloatRange(0.5, 8.0, log=True),
    "b": IntRange(2, 10),
    "c": Choice((2, 32, 8)),
    "d": Choice(("sram", "pcm", 4)),
}


def test_positions_of_designs_lead_back_to_them() -> None:
    space = {**MIXED, "e": IntRange(2, 64, log=True), "f": FloatRange(0.25, 1.5, step=0.25), "g": Choice((True, False))}
    encoding = Encoding(space)
    designs = [encoding.design(u) for u in DRAWS.random((200, len(space)))]
    designs += [{path: p.at(u) for path, p in space.items()} for u in (0.0, 1.0 - 1e-12)]
    again = [encoding.design(u) for u in encoding.positions(designs)]
    assert [d["a"] for d in again] == pytest.approx([d["a"] for d in designs], rel=1e-12)
    assert [{**d, "a": 0} for d in again] == [{**d, "a": 0} for d in designs]


def test_what_does_not_act_in_designs_tells_none_of_them_apart() -> None:
    def acts(design: dict) -> set[str]:
        return set(MIXED) - ({"b", "d"} if design["c"] == 2 else set())

    encoding = Encoding(MIXED, acts)
    some = [{"a": 2.0, "b": b, "c": c, "d": d} for c in (2, 8) for b, d in ((4, "pcm"), (9, "sram"))]
    points = encoding.points(some)
    assert np.array_equal(points[0], points[1])
    assert not np.array_equal(points[2], points[3])


def test_steps_stay_within_the_space_and_reach_the_next_value() -> None:
    encoding = Encoding(MIXED)
    at = encoding.positions([{"a": 0.5, "b": 10, "c": 8, "d": "pcm"}] * 200)
    moved = encoding.stepped(at, np.array([[1e-3]]), DRAWS)
    assert ((moved >= 0.0) & (moved < 1.0)).all()
    assert np.abs(moved[:, 0] - at[:, 0]).max() < 0.01
    designs = [encoding.design(u) for u in moved]
    assert {d["b"] for d in designs} >= {9, 10}
    assert {d["d"] for d in designs} == {"sram", "pcm", 4}


def test_near_designs_have_near_points() -> None:
    points = Encoding(MIXED).points(
        [
            {"a": 2.0, "b": 4, "c": 8, "d": "pcm"},
            {"a": 2.0, "b": 4, "c": 8, "d": 4},
            {"a": 8.0, "b": 10, "c": 2, "d": "sram"},
        ]
    )
    assert points[0].tolist() == pytest.approx([0.5, 0.25, 0.5, 0.0, math.sqrt(0.5), 0.0])
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(1.0)
    assert points[2].tolist() == pytest.approx([1.0, 1.0, 0.0, math.sqrt(0.5), 0.0, 0.0])


SPACE = {f"x{k}": FloatRange(0.0, 1.0) for k in range(5)}


def measured(design: dict[str, float], draws: np.random.Generator) -> list[float]:
    """Return two objectives to minimise that conflict, with noise (Zitzler, Deb and Thiele's first, 2000)."""
    x = [design[f"x{k}"] for k in range(5)]
    g = 1.0 + 9.0 * sum(x[1:]) / 4.0
    f = g * (1.0 - math.sqrt(x[0] / g))
    return [x[0] + 0.01 * draws.standard_normal(), f + 0.01 * draws.standard_normal()]


def volume(sampler: type, seed: int) -> float:
    """Return the hypervolume after 40 trials, five in flight."""
    proposer = sampler().proposer(Problem(SPACE, ("minimise", "minimise"), seed, startup=10, trials=40))
    draws = np.random.Generator(np.random.PCG64(seed))
    asked, values = [], []
    for number in range(40):
        asked.append(proposer.ask())
        values.append(measured(asked[-1], draws))
        if number >= 5:
            proposer.tell(number - 5, values[number - 5])
    return float(moocore.hypervolume(np.array(values), ref=np.array([1.1, 6.0])))


def test_a_model_finds_a_front_that_points_without_results_do_not() -> None:
    """Over 20 other seeds the model had 1.36 times the volume of quasi-random points in the mean, 1.20 at least."""
    assert volume(Model, 3) > 1.1 * volume(QuasiRandom, 3)
