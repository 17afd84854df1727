"""The region of parameters in which designs meet a demand, found by peeling and widening.

PRIM, the patient rule induction method (Friedman and Fisher, "Bump hunting in high-dimensional data", Statistics and
Computing 9, 1999), as used for scenario discovery (Bryant and Lempert, 2010). A region allows an interval of each
parameter of numbers, and a set of choices of each that has strings.

Peel: begin with everything; take away the slice of one end of one interval, or the one choice, that raises the share of
designs that meet the demand most; go on until the share is reached. Once more with the gain for each design taken away,
which is more patient with large choices; of the two the region with more such designs is kept.

Trim: take away what lies at a bound, or a choice, whose designs taken together do not have the share.

Widen: move every bound outward, as far as the designs that come in meet the demand with at least that share, most
designs first; so a bound that the data do not need goes, and where the demand is monotone in a parameter one side stays
open. A design in which a parameter does not act satisfies any bound on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dse.analysis.effects.features import Axis, AxisValue, Designs

PEEL = 0.05
"""Part of the designs inside that a slice takes away, at least."""
LEAST = 4
"""Designs that meet the demand that a region keeps, where there are so many."""
ROUNDING = 1e-9
"""Difference between counts of designs that is rounding alone."""


@dataclass(frozen=True)
class Levels:
    """Designs by the number of the value that each parameter takes.

    Attributes:
        axes: the parameters that vary.
        values: values of each axis, numbers in order before strings.
        codes: shape (axes, designs): number of the value, -1 where the parameter does not act.
    """

    axes: tuple[Axis, ...]
    values: tuple[tuple[AxisValue, ...], ...]
    codes: np.ndarray


Region = list[np.ndarray]
"""For each parameter, whether each of its values is allowed; those of an ordered one are neighbours."""


def levels_of(designs: Designs) -> Levels:
    """Return designs by the numbers of their values."""
    values = tuple((*p.numbers, *p.strings) for p in designs.axes)
    codes = [
        [-1 if v is None else known[v] for v in designs.values[p.name]]
        for p, known in zip(designs.axes, ({v: i for i, v in enumerate(vs)} for vs in values), strict=True)
    ]
    return Levels(designs.axes, values, np.array(codes, dtype=np.int64).reshape(len(values), len(designs)))


def everything(levels: Levels) -> Region:
    """Return the region that allows every value."""
    return [np.ones(len(values), dtype=bool) for values in levels.values]


def satisfied(allowed: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return for each design whether one parameter satisfies a region."""
    return np.append(allowed, True)[codes]  # -1, where it does not act, is the last


def inside(region: Region, codes: np.ndarray) -> np.ndarray:
    """Return for each design whether it lies in a region, shape (designs,)."""
    rows = [satisfied(allowed, row) for allowed, row in zip(region, codes, strict=True)]
    return np.logical_and.reduce(rows)


def find_region(levels: Levels, meets: np.ndarray, share: float) -> Region:
    """Return the widest region found in which at least a share of the designs meets the demand.

    Where no region of `LEAST` such designs has that share, the one with the largest share is returned. O(designs) for
    each value that is peeled.

    Args:
        levels: the designs.
        meets: whether each meets the demand, shape (designs,).
        share: above 0, up to 1.
    """
    found = [_peeled_and_widened(levels, meets, share, patient=patient) for patient in (True, False)]
    return max(found, key=lambda region: _worth(region, levels, meets, share))


def _worth(region: Region, levels: Levels, meets: np.ndarray, share: float) -> tuple[float, int]:
    hit = meets[inside(region, levels.codes)]
    return min(share, float(hit.mean())), int(hit.sum())


class Peel(NamedTuple):
    """A slice that can be taken away from a region.

    Attributes:
        share: of the designs left that meets the demand.
        left: how many designs are left.
        axis: number of the axis.
        allowed: its values that stay allowed.
    """

    share: float
    left: int
    axis: int
    allowed: np.ndarray


class Trim(NamedTuple):
    """Values at a bound, or a choice, that a region can do without.

    Attributes:
        surplus: designs there that meet the demand, less the share of all there.
        axis: number of the axis.
        values: numbers of its values that go.
    """

    surplus: float
    axis: int
    values: np.ndarray


class Extension(NamedTuple):
    """A way to widen a region.

    Attributes:
        meeting: designs gained that meet the demand.
        reach: values gained.
        axis: number of the axis.
        allowed: its values that are allowed then.
    """

    meeting: int
    reach: int
    axis: int
    allowed: np.ndarray


def _peeled_and_widened(levels: Levels, meets: np.ndarray, share: float, *, patient: bool) -> Region:
    """Peel by the gain in the share, or if patient by that gain for each design taken away; then widen."""
    region = everything(levels)
    least = min(LEAST, int(meets.sum()))
    while (now := _share(region, levels, meets)) < share:
        count = int(inside(region, levels.codes).sum())
        peels = [peel for peel in _peels(region, levels, meets, least) if peel.share >= now]
        if not peels:
            break
        best = max(peels, key=lambda peel: ((peel.share - now) / (count - peel.left if patient else 1), peel.left))
        region[best.axis] = best.allowed
    share = min(share, _share(region, levels, meets))
    return _widened(_trimmed(region, levels, meets, share), levels, meets, share)


def _share(region: Region, levels: Levels, meets: np.ndarray) -> float:
    return float(meets[inside(region, levels.codes)].mean())


def _peels(region: Region, levels: Levels, meets: np.ndarray, least: int) -> Iterator[Peel]:
    """Yield every slice that can be taken away so that `least` designs that meet the demand are left."""
    here = inside(region, levels.codes)
    for number, allowed in enumerate(region):
        codes = levels.codes[number][here]
        for slice_ in _slices(levels.axes[number], allowed, codes):
            if (slice_ == allowed).all():
                continue
            left = ~np.append(slice_, False)[codes]
            hits = int(meets[here][left].sum())
            if hits >= least and not left.all():
                yield Peel(hits / int(left.sum()), int(left.sum()), number, allowed & ~slice_)


def _slices(axis: Axis, allowed: np.ndarray, codes: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the values that a peel may take away: one choice, or the lowest or highest that hold enough designs."""
    places = np.flatnonzero(allowed)
    numbers = np.arange(len(allowed))
    if len(places) < 2:
        return
    if not axis.is_ordered:
        for place in places:
            yield numbers == place
        return
    acting = np.sort(codes[codes >= 0])
    if len(acting):
        step = int(PEEL * len(acting))
        yield allowed & (numbers <= acting[step])
        yield allowed & (numbers >= acting[len(acting) - 1 - step])


def _trimmed(region: Region, levels: Levels, meets: np.ndarray, share: float) -> Region:
    """Take away, worst first, the values at bounds and the choices whose designs together do not have the share."""
    while trims := list(_trims(region, levels, meets, share)):
        worst = min(trims, key=lambda trim: trim.surplus)
        region[worst.axis][worst.values] = False
    return region


def _trims(region: Region, levels: Levels, meets: np.ndarray, share: float) -> Iterator[Trim]:
    """Yield for each bound, and each choice, the values from it inward that lack most designs that meet the demand."""
    for number, allowed in enumerate(region):
        count, hits = _counts(region, number, levels, meets)
        ends = np.flatnonzero(allowed)
        inward = [ends, ends[::-1]] if levels.axes[number].is_ordered else list(ends[:, None])
        for path in inward if len(ends) > 1 else []:
            surplus = np.cumsum(hits[path] - share * count[path])[: len(ends) - 1]
            if surplus.min() < -ROUNDING:
                yield Trim(float(surplus.min()), number, path[: int(surplus.argmin()) + 1])


def _counts(region: Region, axis: int, levels: Levels, meets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, by value of one axis, how many designs satisfy all others, and how many of them meet the demand."""
    others = [allowed if i != axis else np.ones_like(allowed) for i, allowed in enumerate(region)]
    codes, size = levels.codes[axis], len(region[axis])
    acting = inside(others, levels.codes) & (codes >= 0)
    return np.bincount(codes[acting], minlength=size), np.bincount(codes[acting & meets], minlength=size)


def _widened(region: Region, levels: Levels, meets: np.ndarray, share: float) -> Region:
    """Move bounds outward, by the extension first that gains most designs that meet the demand."""
    while extensions := list(_extensions(region, levels, meets, share)):
        best = max(extensions, key=lambda extension: (extension.meeting, extension.reach))
        region[best.axis] = best.allowed
    return region


def _extensions(region: Region, levels: Levels, meets: np.ndarray, share: float) -> Iterator[Extension]:
    """Yield every way to widen an axis so that what comes in has the share."""
    for number, allowed in enumerate(region):
        count, hits = _counts(region, number, levels, meets)
        for outward in _directions(levels.axes[number], allowed):
            met = np.cumsum(hits[outward])
            # What comes in, and the last of it however far back one looks, has the share: the surplus is at a record.
            surplus = met - share * np.cumsum(count[outward])
            good = np.flatnonzero(surplus >= np.maximum(np.maximum.accumulate(surplus), 0.0) - ROUNDING)
            if len(good):
                reach = int(good[-1]) + 1
                wider = allowed.copy()
                wider[outward[:reach]] = True
                yield Extension(int(met[reach - 1]), reach, number, wider)


def _directions(axis: Axis, allowed: np.ndarray) -> list[np.ndarray]:
    """Return the values beyond each bound, from it outward; single ones for choices."""
    outside = np.flatnonzero(~allowed)
    if not axis.is_ordered:
        return [np.array([place]) for place in outside]
    ends = np.flatnonzero(allowed)
    return [d for d in (outside[outside < ends[0]][::-1], outside[outside > ends[-1]]) if len(d)]
