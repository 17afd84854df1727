"""Random forests (Breiman, Machine Learning 45, 2001) for the few designs of a study, in numpy.

A tree is grown on a bootstrap sample of the rows; each node takes the split, among all columns, that leaves the least
sum of squares; a leaf holds at least two rows. Many trees grow together, level by level, so that what Python does is
done once a level. The trees are those of scikit-learn, which takes a second of a processor to import.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.intp]
Floats = NDArray[np.float64]

LEAF = 2
"""Rows in a leaf, at least."""
SAME = 1e-12
"""Splits are as good where their gains differ by less than this share; then one is drawn."""
ENTRIES = 40_000
"""Rows of trees that grow together: what is held for a column stays in the cache of a processor."""


@dataclass(frozen=True)
class Forest:
    """Trees as arrays over all their nodes; a leaf is its own child.

    Attributes:
        roots: the root of each tree.
        column: the column that a node looks at.
        threshold: values above it go right.
        left: the left child; the right one is the next. A leaf has itself and a threshold that nothing is above.
        value: the mean of the rows in a node.
    """

    roots: Ints
    column: Ints
    threshold: Floats
    left: Ints
    value: Floats

    def predict(self, x: Floats) -> Floats:
        """Return the mean over the trees for rows of columns, shape (rows, columns). O(rows trees depth)."""
        flat, width = np.ascontiguousarray(x).reshape(-1), x.shape[1]
        total = np.zeros(len(x))
        together = max(1, ENTRIES // max(1, len(x)))
        for first in range(0, len(self.roots), together):
            roots = self.roots[first : first + together]
            at = self._leaves(flat, np.repeat(roots, len(x)), np.tile(np.arange(len(x)) * width, len(roots)))
            total += self.value[at].reshape(len(roots), len(x)).sum(axis=0)
        return total / len(self.roots)

    def _leaves(self, flat: Floats, at: Ints, start: Ints) -> Ints:
        """Return the leaves below some nodes for the rows that start at some places of all columns."""
        moving = np.arange(len(at))
        while len(moving):
            here = at[moving]
            below = self.left[here] + (flat[start[moving] + self.column[here]] > self.threshold[here])
            at[moving] = below
            moving = moving[self.threshold[below] < np.inf]
        return at

    def part(self, first: int, count: int) -> "Forest":
        """Return a forest of some of the trees."""
        return replace(self, roots=self.roots[first : first + count])


def forest_of(x: Floats, y: Floats, trees: int, random: np.random.Generator) -> Forest:
    """Grow trees on bootstrap samples of all rows.

    Args:
        x: columns, shape (rows, columns).
        y: what is learned, shape (rows,).
        trees: how many.
        random: draws the samples, and decides between splits that are as good.
    """
    return grown(x, y, list(random.integers(0, len(y), size=(trees, len(y)))), random)


def grown(x: Floats, y: Floats, samples: Sequence[Ints], random: np.random.Generator) -> Forest:
    """Grow a tree for each sample of rows. O(trees rows columns depth).

    Args:
        x: columns, shape (rows, columns).
        y: what is learned, shape (rows,).
        samples: the rows of each tree, one as often as it counts.
        random: decides between splits that are as good.
    """
    together = max(1, ENTRIES // len(samples[0]))
    parts = [_grown(x, y, samples[first : first + together], random) for first in range(0, len(samples), together)]
    begins = np.cumsum([0, *(len(part.left) for part in parts)])
    moved = [(part.roots + begin, part.left + begin) for part, begin in zip(parts, begins, strict=False)]
    return Forest(
        np.concatenate([roots for roots, _ in moved]),
        np.concatenate([part.column for part in parts]),
        np.concatenate([part.threshold for part in parts]),
        np.concatenate([left for _, left in moved]),
        np.concatenate([part.value for part in parts]),
    )


def _grown(x: Floats, y: Floats, samples: Sequence[Ints], random: np.random.Generator) -> Forest:
    used, row = np.unique(np.concatenate(samples), return_inverse=True)
    tree = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    place, times = np.unique(tree * len(used) + row, return_counts=True)
    tree, row = np.divmod(place, len(used))
    weight = times.astype(np.float64)
    entries = _Entries(np.ascontiguousarray(x[used[row]].T), weight, weight * y[used[row]])
    level = _roots(x[used], tree, row)
    levels, count = list[tuple[NDArray[Any], ...]](), 0
    while True:
        split = _best_splits(level, entries, random)
        divided = np.flatnonzero(split.threshold < np.inf)
        left = np.arange(count, count + len(level.size))
        count += len(left)
        left[divided] = count + 2 * np.arange(len(divided))
        levels.append((split.column, split.threshold, left, split.mean))
        if not len(divided):
            return Forest(np.arange(len(samples)), *map(np.concatenate, zip(*levels, strict=True)))
        level = _below(level, split, entries)


@dataclass(frozen=True)
class _Entries:
    """The rows of all trees, one after the other.

    Attributes:
        x: their columns, shape (columns, entries).
        weight: how often the tree has the row, shape (entries,).
        weighed: that times what is learned.
    """

    x: Floats
    weight: Floats
    weighed: Floats


@dataclass(frozen=True)
class _Level:
    """The nodes of one depth.

    Attributes:
        order: the entries in each column, node by node and then by value, shape (columns, entries left).
        size: how many entries each node has.
    """

    order: Ints
    size: Ints


@dataclass(frozen=True)
class _Splits:
    """The best split of each node; its threshold is infinite where it has none."""

    column: Ints
    threshold: Floats
    mean: Floats


def _roots(x: Floats, tree: Ints, row: Ints) -> _Level:
    ranks = np.argsort(np.argsort(x, axis=0, kind="stable"), axis=0)
    order = [np.argsort(tree * len(x) + rank[row], kind="stable") for rank in ranks.T]
    return _Level(np.array(order, dtype=np.intp), np.bincount(tree))


def _best_splits(level: _Level, entries: _Entries, random: np.random.Generator) -> _Splits:
    size, nodes = level.size, len(level.size)
    first = np.cumsum(size) - size
    node = np.repeat(np.arange(nodes), size)
    place = np.arange(len(node)) - first[node] + 1
    inner = (place >= LEAF) & (size[node] - place >= LEAF)
    weight, weighed = (np.add.reduceat(found[level.order[0]], first) for found in (entries.weight, entries.weighed))
    unsplit = weighed**2 / weight
    best, column, threshold = SAME * np.maximum(unsplit, 1.0), np.zeros(nodes, dtype=np.intp), np.full(nodes, np.inf)
    for number, order in enumerate(level.order):
        x = entries.x[number][order]
        allowed = inner[:-1] & (x[1:] > x[:-1])
        cut = np.flatnonzero(allowed)
        if not len(cut):
            continue
        of = node[cut]
        w, wy = (_since(found[order], first, cut, of) for found in (entries.weight, entries.weighed))
        gain = wy * wy / w + (weighed[of] - wy) ** 2 / (weight[of] - w) - unsplit[of]
        begin = np.flatnonzero(np.diff(of, prepend=-1))
        most, owner = np.maximum.reduceat(gain, begin), of[begin]
        hits = np.flatnonzero(gain == np.repeat(most, np.diff(begin, append=len(of))))
        where = np.empty(nodes, dtype=np.intp)
        where[of[hits[::-1]]] = cut[hits[::-1]]
        most = most * (1.0 + SAME * random.random(len(most)))
        better = most > best[owner]
        taken = owner[better]
        best[taken], column[taken] = most[better], number
        threshold[taken] = (x[where[taken]] + x[where[taken] + 1]) / 2
    return _Splits(column, threshold, weighed / weight)


def _since(values: Floats, first: Ints, cut: Ints, of: Ints) -> Floats:
    """Return the sums of the values from the beginning of a node up to each cut."""
    total = np.cumsum(values)
    return total[cut] - np.where(first > 0, total[first - 1], 0.0)[of]


def _below(level: _Level, split: _Splits, entries: _Entries) -> _Level:
    """Return the level of the children; entries keep their order within a child."""
    divided = split.threshold < np.inf
    size = level.size[divided]
    kept = np.flatnonzero(np.repeat(divided, level.size))
    node = np.repeat(np.flatnonzero(divided), level.size[divided])
    goes = np.zeros(len(entries.weight), dtype=bool)
    some = level.order[0][kept]
    goes[some] = entries.x[split.column[node], some] > split.threshold[node]
    first = np.cumsum(size) - size
    rights = np.add.reduceat(goes[some], first, dtype=np.intp)
    begin = np.repeat(first, size)
    after = begin + np.repeat(size - rights, size)
    moved, here = np.empty((len(level.order), len(kept)), dtype=np.intp), np.arange(len(kept))
    for old, new in zip(level.order, moved, strict=True):
        order = old[kept]
        right = goes[order]
        gone = np.cumsum(right) - right
        gone -= gone[begin]
        new[np.where(right, after + gone, here - gone)] = order
    return _Level(moved, np.stack([size - rights, rights], axis=1).reshape(-1))
