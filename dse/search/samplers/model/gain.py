"""The expected gain of a design in hypervolume over a front, and in the best value where there is one objective.

Objectives are minimised and scaled to the box between the ideal point (0) and the reference point (1). The gain of a
design is the volume of the box that it dominates and the front does not. Its expectation is an integral over the box of
the probability that the design dominates a point, which for independent normal objectives is a product of normal
distribution functions. It is taken over fixed quasi-random points that the front does not dominate.
"""

from functools import lru_cache
from typing import Any, cast

import numpy as np
from scipy import special as untyped_special
from scipy.stats import qmc

from dse.search.samplers.model.kriging import Floats

special = cast("Any", untyped_special)
Front = Floats
"""Points that do not dominate each other, shape (points, objectives)."""

PLACES = 2**14
"""Points of the box at which volume is measured, those that are dominated included."""
FIRST_LOOK = 256
"""Points at which all designs are measured."""
LOOK = 4096
"""Points at which the best of them are."""
BEST = 16
"""Designs that are looked at a second time."""


def expected_gain(means: Floats, deviations: Floats, front: Front) -> Floats:
    """Return the expected gain of each design, shape (designs,), in shares of the box.

    Only the best are measured well; the others are below these.

    Args:
        means: of the objectives, scaled, shape (designs, objectives).
        deviations: their standard deviations, of the same shape.
        front: the front so far, scaled; may be empty.
    """
    free, share = _free(front, means.shape[1])
    if not len(free):
        return np.zeros(len(means))
    gains = _gain(means, deviations, free[:FIRST_LOOK])
    best = np.argsort(-gains, kind="stable")[:BEST]
    again = _gain(means[best], deviations[best], free[:LOOK])
    below = float(again.max()) / max(float(gains.max()), 1e-300)
    gains *= min(1.0, below)
    gains[best] = again
    return gains * share


def _gain(means: Floats, deviations: Floats, places: Floats) -> Floats:
    """Return the mean probability that a design dominates a point."""
    product = np.ones((len(means), len(places)))
    for k in range(means.shape[1]):
        reach: Floats = (places[None, :, k] - means[:, k, None]) / deviations[:, k, None]
        product *= cast("Floats", special.ndtr(reach))
    return cast("Floats", product.mean(axis=1))


def log_expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    """Return the logarithm of the expected improvement over the best value, shape (designs,)."""
    z = (best - mean) / deviation
    # log(phi(z) + z Phi(z)), by its asymptote far below zero, where the sum cancels.
    phi = -0.5 * z * z - 0.5 * np.log(2.0 * np.pi)
    near = np.maximum(np.exp(phi) + z * np.exp(special.log_ndtr(z)), 1e-300)
    far = phi - 2.0 * np.log(np.maximum(np.abs(z), 1.0))
    return cast("Floats", np.log(deviation) + np.where(z > -5.0, np.log(near), far))


def _free(front: Front, objectives: int) -> tuple[Floats, float]:
    """Return points of the box that the front does not dominate, and their share of it."""
    places = _places(objectives)
    free = np.ones(len(places), bool)
    for point in front:
        free &= ~(point <= places).all(axis=1)
    return places[free], float(free.mean())


@lru_cache(maxsize=8)
def _places(objectives: int) -> Floats:
    return qmc.Sobol(objectives, scramble=True, rng=0).random(PLACES)
