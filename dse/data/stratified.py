"""Which samples of each class are held out.

The draws are those of scikit-learn's `train_test_split(..., stratify=labels)`, so that splits are what they always
were; importing it takes a process two seconds.
"""

import math

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


def split_by_class(labels: NDArray[np.int64], held_out: float, seed: int) -> tuple[Places, Places]:
    """Return the places of samples that are kept and of those that are held out, both in a drawn order.

    Args:
        labels: class of each sample, shape (samples,).
        held_out: a number of samples, or a share below 1.
        seed: seed of the draws.

    Raises:
        ValueError: a class has a single sample, or there are fewer samples on a side than classes.
    """
    classes, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
    out = math.ceil(held_out * len(labels)) if held_out < 1 else int(held_out)
    kept = len(labels) - out
    if counts.min() < 2 or min(kept, out) < len(classes):
        msg = f"{len(labels)} samples of {len(classes)} classes cannot be split into {kept} and {out} by class"
        raise ValueError(msg)
    draws = np.random.RandomState(seed)
    shares = _shares(counts, kept, draws)
    others = _shares(counts - shares, out, draws)
    kept_places, out_places = list[Places](), list[Places]()
    for label, (share, other) in enumerate(zip(shares, others, strict=True)):
        places = np.flatnonzero(own == label)[draws.permutation(counts[label])]
        kept_places.append(places[:share])
        out_places.append(places[share : share + other])
    return draws.permutation(np.concatenate(kept_places)), draws.permutation(np.concatenate(out_places))


def _shares(counts: Places, wanted: int, draws: np.random.RandomState) -> Places:
    """Return how many of each class make so many in all, in proportion: largest remainders first, ties drawn."""
    exact = counts / counts.sum() * wanted
    found = np.floor(exact)
    remainders, missing = exact - found, int(wanted - found.sum())
    for remainder in np.unique(remainders)[::-1]:
        if missing <= 0:
            break
        tied = np.flatnonzero(remainders == remainder)
        chosen = draws.choice(tied, size=min(len(tied), missing), replace=False)
        found[chosen] += 1
        missing -= len(chosen)
    return found.astype(np.int64)
