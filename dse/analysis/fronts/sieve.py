"""A sieve before an exact front: most points of a large table are beaten by a few good ones.

A point that another one beats in every objective is on no front, and what beats it is on the front or beaten by a point
that is. So the front of what is left is that of all. The good ones are taken from the front of a sample.
"""

from collections.abc import Sequence

import numpy as np

from dse.metric import Goal, signs_of

SMALL = 20_000
"""So few points are faster without a sieve."""
SAMPLE = 500
MOST_GOOD = 0.25
"""Share of the sample on its own front above which a sieve would leave most points."""
LEAST_GAIN = 0.05
"""Share of the sample that a further good point must beat."""
WORTH_ANOTHER = 0.5
"""A sieve that leaves no more than this share is followed by another one."""


def sieved(points: np.ndarray, goals: Sequence[Goal]) -> np.ndarray | None:
    """Return the places, ascending, of points among which all of the front are; None for all of them.

    Args:
        points: objectives, shape (points, objectives); NaN where missing. Not changed.
        goals: which way is better, for each objective.
    """
    columns, signs = [points[:, place] for place in range(points.shape[1])], np.array(signs_of(goals))
    left: np.ndarray | None = None
    while len(columns[0]) >= SMALL:
        before = len(columns[0])
        for good in _good_ones(columns, signs):
            where = np.flatnonzero(_is_unbeaten(columns, good, signs))
            columns, left = [column[where] for column in columns], where if left is None else left[where]
        if len(columns[0]) > WORTH_ANOTHER * before:
            break
    return left


def _good_ones(columns: Sequence[np.ndarray], signs: np.ndarray) -> list[np.ndarray]:
    """Return points of a sample that beat most of it, the best first; none where its front is large."""
    sample = np.stack([column[:: len(column) // SAMPLE] for column in columns], axis=1)
    costs = sample * signs
    costs = costs[~np.isnan(costs).any(axis=1)]
    if not len(costs):
        return []
    beats = np.stack([(costs > cost).all(axis=1) for cost in costs])
    good = np.flatnonzero(~beats.any(axis=0))
    if len(good) > MOST_GOOD * len(costs):
        return []
    candidates, beats = costs[good], beats[good]
    found: list[np.ndarray] = []
    while True:
        gains = beats.sum(axis=1)
        best = int(gains.argmax())
        if gains[best] <= LEAST_GAIN * len(costs):
            return found
        found.append(candidates[best] * signs)
        beats &= ~beats[best]


def _is_unbeaten(columns: Sequence[np.ndarray], good: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return for each point whether it is as good as another one in some objective."""
    kept = np.zeros(len(columns[0]), dtype=bool)
    for column, value, sign in zip(columns, good, signs, strict=True):
        kept |= column <= value if sign > 0 else column >= value
    return kept
