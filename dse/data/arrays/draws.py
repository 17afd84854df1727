"""Which samples of a file are for the test, for validation, or left out: drawn, and always the same."""

import math
from typing import Any

import numpy as np

from dse.streams import derived_seed

Array = np.ndarray[Any, Any]
SEED = 20261130
"""Seed of the draws; a constant, so that all trials of all studies see the same samples."""


def drawn(share: float, groups: Array, purpose: str) -> Array:
    """Return which samples belong to a part that is drawn, bool, shape (samples,).

    Args:
        share: ceil(share * samples) are drawn, or all that can be.
        groups: group of each sample, such as its class, int64; of each as many are drawn as its size asks for, and one
            sample at least is left.
        purpose: what the part is for, which separates its draws from those of others.
    """
    order, sizes = _order(len(groups), purpose), np.bincount(groups)
    counts = _shared(min(math.ceil(share * len(groups)), most_drawn(groups)), sizes)
    chosen = np.zeros(len(groups), np.bool_)
    chosen[order[_rank(groups[order]) < counts[groups[order]]]] = True
    return chosen


def most_drawn(groups: Array) -> int:
    """Return how many samples can be drawn so that one of each group is left."""
    return len(groups) - len(np.unique(groups))


def _shared(wanted: int, sizes: Array) -> Array:
    """Return how many of each group are drawn; what rounding leaves over goes to those that it took most from."""
    exact, most = sizes * (wanted / sizes.sum()), np.maximum(sizes - 1, 0)
    counts = np.minimum(np.floor(exact), most).astype(np.int64)
    while (left := wanted - int(counts.sum())) > 0:
        open_groups = np.flatnonzero(counts < most)
        order = open_groups[np.argsort((counts - exact)[open_groups], kind="stable")]
        counts[order[:left]] += 1
    return counts


def evenly(groups: Array, count: int) -> Array:
    """Return the places of so many samples in ascending order, as many of each group (int64) as there are."""
    order = _order(len(groups), "samples")
    return np.sort(order[np.argsort(_rank(groups[order]), kind="stable")[:count]])


def _rank(groups: Array) -> Array:
    """Return how many samples of its group come before each."""
    rank = np.empty(len(groups), np.int64)
    for group in np.unique(groups):
        own = groups == group
        rank[own] = np.arange(np.count_nonzero(own))
    return rank


def _order(samples: int, purpose: str) -> Array:
    draws = np.random.Generator(np.random.PCG64(derived_seed(SEED, purpose)))
    return np.argsort(draws.random(samples), kind="stable")
