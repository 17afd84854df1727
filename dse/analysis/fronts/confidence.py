"""How sure a table is: intervals of means, the probability to be on the front, and fronts with bands.

A design that was simulated under n seeds has a mean with the 95 % interval of Student's t,
mean +- t(0.975, n - 1) s / sqrt(n). Its mean is drawn again from the multivariate t distribution that belongs to this
interval: with the differences d_k of the n replicates from their mean, standard normal z_k and chi2 of n - 1 degrees,

    mean + sum_k z_k d_k / sqrt(n (n - 1)) * sqrt((n - 1) / chi2).

One z_k goes with all objectives of a replicate, so that they vary together as they were seen to; designs are drawn
independently. The probability to be on the front is the share of such draws in which the design is. A design with one
seed has no interval and no probability; it stays at its value in the draws. So does a mean that is infinite because a
replicate is, such as a lifetime without wear: it has no interval.

Bands are levels of the empirical attainment function (Grunert da Fonseca, Fonseca and Hall, EMO 2001) over the fronts
of the draws: 90 % of them attain (weakly dominate) every point of the 90 % surface.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import moocore
import numpy as np
import polars as pl

from dse.analysis.fronts.pareto import are_on_fronts, as_costs, is_on_front, points_of
from dse.analysis.intervals import half_width
from dse.analysis.tables.tables import Tables, present
from dse.metric import Goal
from dse.pricing.bounds import Bound

DRAWS = 1000
"""Draws for a probability; its standard error is below 0.016."""
TOGETHER = 64
"""Designs up to which draws are judged together, pair by pair; sorting each is faster beyond."""
PAIRS = 2**21
"""Pairs of designs that are compared together: some megabytes."""
BAND_DRAWS = 200
"""Draws for bands."""
PERCENTILES = (10.0, 50.0, 90.0)


def intervals(tables: Tables, metrics: Sequence[str] | None = None) -> pl.DataFrame:
    """Return a row for each trial and metric: `trial`, `metric`, `seeds`, `mean`, `deviation`, `ci95`, `low`, `high`.

    `ci95` is the half-width of the interval; it and the ends are null for a single seed, and, as the deviation is, for
    values of which some are infinite. A metric that is missing under
    any seed has no row. Trials with seeds still to come are among them, with the seeds there are.

    Args:
        tables: the tables of a study.
        metrics: those that rows are asked for; None for all.
    """
    names = present(tables.trials, tables.metrics if metrics is None else metrics)
    long = tables.trials.select("trial", "seed", pl.col(names).cast(pl.Float64)).unpivot(
        index=["trial", "seed"], variable_name="metric", value_name="value"
    )
    value = pl.col("value")
    found = long.group_by("trial", "metric", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("seeds"),
        pl.when(value.null_count() == 0).then(value.mean()).alias("mean"),
        pl.when(value.min() == value.max()).then(0.0).otherwise(value.std().fill_nan(None)).alias("deviation"),
    )
    found = found.drop_nulls("mean").with_columns(
        pl.when(pl.col("seeds") > 1).then("deviation").alias("deviation"),
        half_width(pl.col("deviation"), pl.col("seeds")).alias("ci95"),
    )
    return found.with_columns(
        (pl.col("mean") - pl.col("ci95")).alias("low"), (pl.col("mean") + pl.col("ci95")).alias("high")
    ).sort("trial", maintain_order=True)


def half_widths(tables: Tables, objectives: Sequence[str]) -> pl.DataFrame:
    """Return a row for each trial: `trial` and `ci95_NAME`, the half-width, for each objective."""
    chosen = intervals(tables, [name for name in tables.metrics if name in objectives])
    wide = chosen.pivot("metric", index="trial", values="ci95")
    missing = [pl.lit(None, dtype=pl.Float64).alias(name) for name in objectives if name not in wide.columns]
    return wide.with_columns(missing).select("trial", *(pl.col(name).alias(f"ci95_{name}") for name in objectives))


def replicates(tables: Tables, trials: pl.Series, objectives: Sequence[str]) -> np.ndarray:
    """Return the objectives of trials under each seed, shape (trials, seeds, objectives); NaN where there is none."""
    rows = trials.to_frame("trial").with_row_index("row").join(tables.trials, on="trial").sort("row", "seed")
    place = rows.select(pl.int_range(pl.len()).over("row").alias("place"))["place"].to_numpy()
    values = np.full((len(trials), int(place.max(initial=0)) + 1, len(objectives)), np.nan)
    values[rows["row"].to_numpy(), place] = points_of(rows, objectives)
    return values


def drawn_means(
    values: np.ndarray, draws: int, seed: int = 0, groups: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Draw the means of replicates again; see the module.

    Args:
        values: shape (designs, seeds, objectives); NaN where there is none.
        draws: how many.
        seed: of the draws.
        groups: numbers from 0, equal for designs that vary together; see
            `dse.analysis.tables.variants.simulation_groups`. By default all vary on their own.

    Yields:
        Means, shape (designs, objectives). O(designs seeds objectives) each.
    """
    there: np.ndarray = ~np.all(np.isnan(values), axis=2)
    count = np.asarray(there.sum(axis=1), dtype=np.float64)
    means, differences = _moments(values, there)
    degrees = np.maximum(count - 1, 1)
    scale = np.where(count > 1, 1.0 / np.sqrt(np.maximum(count, 1) * degrees), 0.0)
    random = np.random.default_rng(seed)
    group = np.arange(len(values)) if groups is None else groups
    own = degrees[np.unique(group, return_index=True)[1]]
    for _ in range(draws):
        z = random.standard_normal((len(own), values.shape[1]))[group]
        wide = scale * np.sqrt(degrees / random.chisquare(own)[group])
        yield means + wide[:, None] * np.einsum("ds,dso->do", z, differences)


def _moments(values: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means and differences from them, exactly 0 where all replicates are equal, so that ties stay ties.

    A mean that is not finite, such as that of lives of which one is infinite, has no differences: it stays as it is.
    """
    filled = np.where(there[..., None], values, 0.0)
    means = filled.sum(axis=1) / np.maximum(there.sum(axis=1), 1)[:, None]
    first = filled[:, 0]
    constant = ((filled == first[:, None]) | ~there[..., None]).all(axis=1)
    means = np.where(constant, first, means)
    means[~there.any(axis=1)] = np.nan
    constant |= ~np.isfinite(means)
    with np.errstate(invalid="ignore"):  # infinite lives
        return means, np.where(there[..., None] & ~constant[:, None], filled - means[:, None], 0.0)


def front_probability(
    values: np.ndarray,
    goals: Sequence[Goal],
    draws: int = DRAWS,
    seed: int = 0,
    groups: np.ndarray | None = None,
    constraints: Sequence[Bound] = (),
) -> np.ndarray:
    """Return for each design the probability that its mean is on the front of all means.

    Args:
        values: replicates, shape (designs, seeds, objectives and then quantities that are bounded); NaN where there is
            none.
        goals: which way is better, for each objective.
        draws: how many; see `drawn_means`.
        seed: of the draws.
        groups: see `drawn_means`.
        constraints: a design whose drawn means do not meet them is not on the front of that draw.

    Returns:
        Shape (designs,); NaN for a design with fewer than two seeds or a missing objective.
    """
    drawn = (_feasible(means, goals, constraints) for means in drawn_means(values, draws, seed, groups))
    hits = _times_on_front(drawn, len(values), goals)
    missing = np.isnan(values)
    several = np.sum(~np.all(missing, axis=2), axis=1) > 1
    broken = np.any(np.any(missing, axis=2) & ~np.all(missing, axis=2), axis=1)
    return np.where(several & ~broken, hits / draws, np.nan)


def _times_on_front(drawn: Iterator[np.ndarray], designs: int, goals: Sequence[Goal]) -> np.ndarray:
    """Return for each design in how many draws it is on the front; draws of few designs are judged together."""
    hits = np.zeros(designs)
    if designs > TOGETHER:
        for points in drawn:
            hits += is_on_front(points, goals)
        return hits
    while some := list(islice(drawn, max(1, PAIRS // max(1, designs) ** 2))):
        hits += are_on_fronts(np.stack(some), goals).sum(axis=0)
    return hits


def _feasible(means: np.ndarray, goals: Sequence[Goal], constraints: Sequence[Bound]) -> np.ndarray:
    """Return the objectives of drawn means; NaN for designs that do not meet constraints on the columns that follow."""
    points = means[:, : len(goals)]
    for place, bound in enumerate(constraints, start=len(goals)):
        points = np.where(bound.met(means[:, place])[:, None], points, np.nan)
    return points


def attainment(
    fronts: Sequence[np.ndarray], goals: Sequence[Goal], percentiles: Sequence[float] = PERCENTILES
) -> dict[float, np.ndarray]:
    """Return the surfaces that given shares of some fronts attain.

    Args:
        fronts: points of each, shape (points, objectives), two or three objectives, none missing.
        goals: which way is better, for each objective.
        percentiles: in per cent, above 0.

    Returns:
        {percentile: minimal points of the region that at least this share attains}, sorted by the first objective.
        Fonseca et al. (2011), as in moocore: O(m log m + m fronts) in two objectives, O(fronts^2 m log m) in three.
    """
    sets = np.repeat(np.arange(len(fronts)), [len(points) for points in fronts])
    costs = as_costs(np.concatenate(fronts), goals)
    found = moocore.eaf(costs, sets, percentiles=list(percentiles))
    surfaces = {p: as_costs(found[np.isclose(found[:, -1], p), :-1], goals) for p in percentiles}
    return {p: surface[np.lexsort(surface.T[::-1])] for p, surface in surfaces.items()}


def bands(
    values: np.ndarray,
    goals: Sequence[Goal],
    percentiles: Sequence[float] = PERCENTILES,
    seed: int = 0,
    groups: np.ndarray | None = None,
    constraints: Sequence[Bound] = (),
) -> dict[float, np.ndarray]:
    """Return attainment surfaces over the fronts of drawn means; see `attainment` and `drawn_means`.

    A draw in which no design is feasible attains nothing; a surface that too few draws attain is left out.

    Args:
        values: as for `front_probability`, of two objectives: on 50 sets of three moocore 0.3 does not end.
        goals: which way is better, for each objective.
        percentiles: in per cent.
        seed: of the draws.
        groups: see `drawn_means`.
        constraints: as for `front_probability`.
    """
    draws = (_feasible(means, goals, constraints) for means in drawn_means(values, BAND_DRAWS, seed, groups))
    fronts = [found for points in draws if len(found := points[is_on_front(points, goals)])]
    # Shares are of all draws, and those without a front attain nothing.
    shares = {p: p * BAND_DRAWS / len(fronts) for p in percentiles} if fronts else {}
    shares = {p: share for p, share in shares.items() if share <= 100.0}
    found = attainment(fronts, goals, list(shares.values())) if shares else {}
    return {p: found[share] for p, share in shares.items()}
