"""Stratified splits: those of scikit-learn's `train_test_split`, to the last place, without importing it.

That import takes a second, in every process that simulates; a split takes milliseconds. numpy keeps the draws of its
`RandomState` as they are for good, so that a split never changes.
"""

import math

import numpy as np
from numpy.typing import NDArray

from dse.errors import DataError

Places = NDArray[np.int64]


def stratified_places(labels: Places, held_out: float, seed: int) -> tuple[Places, Places]:
    """Return the places of samples that are kept and of those that are held out, each in a random order.

    Args:
        labels: class of each sample, shape (samples,).
        held_out: how many are held out, or which share of them, below 1; of each class in proportion.
        seed: of the draws.

    Raises:
        DataError: a part would lack a class.
    """
    _, members, counts = np.unique(labels, return_inverse=True, return_counts=True)
    total = math.ceil(held_out * len(labels)) if held_out < 1 else int(held_out)
    if counts.min() < 2 or not len(counts) <= total <= len(labels) - len(counts):
        raise DataError(
            f"{total} of {len(labels)} samples cannot be held out so that both parts have some of each of the "
            f"{len(counts)} classes, of which the smallest has {counts.min()}; give more samples or another share"
        )
    draws = np.random.RandomState(seed)
    kept = _in_proportion(counts, len(labels) - total, draws)
    out = _in_proportion(counts - kept, total, draws)
    of_class = np.split(np.argsort(members, kind="stable"), np.cumsum(counts)[:-1])
    mixed = [places[draws.permutation(len(places))] for places in of_class]
    first = np.concatenate([places[:k] for places, k in zip(mixed, kept, strict=True)])
    second = np.concatenate([places[k : k + o] for places, k, o in zip(mixed, kept, out, strict=True)])
    return draws.permutation(first), draws.permutation(second)


def _in_proportion(counts: Places, total: int, draws: np.random.RandomState) -> Places:
    """Return how many of each class are drawn: its share, rounded so that they add up; ties are broken by a draw."""
    exact = counts / counts.sum() * total
    shares = np.floor(exact)
    lacking = int(total - shares.sum())
    remainders = exact - shares
    for remainder in np.unique(remainders)[::-1]:
        if not lacking:
            break
        (tied,) = np.where(remainders == remainder)
        chosen = draws.choice(tied, size=min(len(tied), lacking), replace=False)
        shares[chosen] += 1
        lacking -= len(chosen)
    return shares.astype(np.int64)
