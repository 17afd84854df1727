"""The expected gain of a design in hypervolume over a front, and in the best value where there is one objective.

Objectives are minimised; volumes end at a reference point. What the front does not dominate is cut into boxes (Dächert,
Klamroth, Lacour and Vanderpooten, Eur. J. Oper. Res. 260, 2017; Lacour, Klamroth and Fonseca, Comput. Oper. Res. 79,
2017). The gain of a design is the part of them that it dominates. Its expectation, for independent normal objectives,
is a sum over boxes of products of one integral an objective, without draws:

    integral from l to u of P(value <= z) dz = s (psi((u - m) / s) - psi((l - m) / s)),   psi(t) = t Phi(t) + phi(t)
"""

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special as untyped_special

from dse.analysis.fronts.pareto import is_on_front
from dse.search.samplers.model.kriging import Floats

special = cast("Any", untyped_special)
Places = NDArray[np.int64]
AT_ONCE = 1 << 20
"""Products of a design and a box that are held at once."""


class Boxes(NamedTuple):
    """The part of a space that a front leaves, in boxes that do not overlap.

    Attributes:
        edges: values of each objective at which boxes end, shape (objectives, edges), in rising order; the first is
            minus infinity, the last the reference.
        lower: number of the lower edge of each box, shape (boxes, objectives).
        upper: the same of the upper edge.
    """

    edges: Floats
    lower: Places
    upper: Places


def boxes(front: Floats, reference: Floats) -> Boxes:
    """Return the boxes that a front leaves below a reference point.

    Their number is at most one more than that of the points with two objectives, one more than twice that with three,
    and grows about as its square with four and five.

    Args:
        front: points, shape (points, objectives); any that do not lie below the reference point change nothing.
        reference: shape (objectives,).
    """
    front = front[(front < reference).all(axis=1)]
    front = front[is_on_front(front, ["minimise"] * front.shape[1])]
    points, objectives = front.shape
    # In ranks no two values are equal, whatever ties there are: boxes between equal values are empty.
    ranks = np.argsort(np.argsort(front, axis=0, kind="stable"), axis=0) + 1
    edges = np.concatenate([np.full((1, objectives), -np.inf), np.sort(front, axis=0), reference[None]]).T
    uppers = np.full((1, objectives), points + 1)
    # Each upper corner is held by a point in each objective: there it ends, in all others the point is below.
    held = np.where(np.eye(objectives, dtype=bool), points + 1, 0)[None]
    for point in ranks[np.argsort(ranks[:, -1])]:
        above = (point < uppers).all(axis=1)
        parts, held_parts = [uppers[~above]], [held[~above]]
        inside, holding = uppers[above], held[above]
        for k in range(objectives):
            others = np.delete(holding[:, :, k], k, axis=1).max(axis=1, initial=0)
            left = point[k] > others
            corner, by = inside[left].copy(), holding[left].copy()
            corner[:, k], by[:, k] = point[k], point
            parts.append(corner)
            held_parts.append(by)
        uppers, held = np.concatenate(parts), np.concatenate(held_parts)
    lowers = np.zeros_like(uppers)
    for k in range(1, objectives):
        lowers[:, k] = held[:, :k, k].max(axis=1)
    return Boxes(edges, lowers, uppers)


def expected_gain(means: Floats, deviations: Floats, free: Boxes) -> Floats:
    """Return the expected gain of each design, shape (designs,).

    Args:
        means: of the objectives, shape (designs, objectives).
        deviations: their standard deviations, of the same shape.
        free: what the front leaves.
    """
    step = max(1, AT_ONCE // len(free.lower))
    parts = [_gain(means[k : k + step], deviations[k : k + step], free) for k in range(0, len(means), step)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _gain(means: Floats, deviations: Floats, free: Boxes) -> Floats:
    product = np.ones((len(means), len(free.lower)))
    for k, edges in enumerate(free.edges):
        below = np.zeros((len(means), len(edges)))
        below[:, 1:] = deviations[:, k, None] * _psi((edges[None, 1:] - means[:, k, None]) / deviations[:, k, None])
        product *= below[:, free.upper[:, k]] - below[:, free.lower[:, k]]
    return cast("Floats", product.sum(axis=1))


def _psi(t: Floats) -> Floats:
    """Return t Phi(t) + phi(t), to many digits also where both cancel."""
    far = np.minimum(np.abs(t), 40.0)
    tail = np.exp(-0.5 * far * far) * (1.0 / np.sqrt(2.0 * np.pi) - 0.5 * far * special.erfcx(far / np.sqrt(2.0)))
    return np.maximum(t, 0.0) + np.maximum(tail, 0.0)


def log_expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    """Return the logarithm of the expected improvement over the best value, shape (designs,)."""
    z = (best - mean) / deviation
    # log(phi(z) + z Phi(z)), by its asymptote far below zero, where the sum cancels.
    phi = -0.5 * z * z - 0.5 * np.log(2.0 * np.pi)
    near = np.maximum(np.exp(phi) + z * np.exp(special.log_ndtr(z)), 1e-300)
    far = phi - 2.0 * np.log(np.maximum(np.abs(z), 1.0))
    return cast("Floats", np.log(deviation) + np.where(z > -5.0, np.log(near), far))
