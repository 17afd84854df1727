"""95 % intervals of means by Student's t, and of a difference between two means by Welch's.

    mean        mean +- t(0.975, n - 1) s / sqrt(n)
    difference  a - b +- t(0.975, nu) sqrt(s_a^2 / n_a + s_b^2 / n_b), nu of Welch (Biometrika 34, 1947)

with the standard deviation s of n values (n - 1 in its denominator). A single value has no interval.
"""

import math

import numpy as np
import polars as pl

LEVEL = 0.95


def t_quantile(degrees: np.ndarray | float) -> np.ndarray:
    """Return the quantile of Student's t that bounds a two-sided interval, for each number of degrees of freedom."""
    from scipy.special import stdtrit  # noqa: PLC0415  a tenth of a second that other commands do without

    return np.asarray(stdtrit(degrees, 0.5 + LEVEL / 2), dtype=np.float64)


def half_width(std: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Return the half-width of the interval of a mean as a column; null for fewer than two values, or infinite ones.

    Args:
        std: standard deviation of the values.
        count: how many they are.
    """
    quantile = count.map_batches(_quantiles_of_counts, return_dtype=pl.Float64)
    return pl.when(count > 1).then(quantile * std.fill_nan(None) / count.cast(pl.Float64).sqrt()).otherwise(None)


def _quantiles_of_counts(counts: pl.Series) -> pl.Series:
    return pl.Series(t_quantile(np.maximum(counts.to_numpy().astype(float) - 1.0, 1.0)), dtype=pl.Float64)


def mean_half_width(values: np.ndarray) -> float:
    """Return the half-width of the interval of the mean of some values; NaN for fewer than two."""
    count = len(values)
    if count < 2:
        return math.nan
    return float(t_quantile(count - 1)) * float(values.std(ddof=1)) / math.sqrt(count)


def welch_half_width(a: np.ndarray, b: np.ndarray) -> float:
    """Return the half-width of the interval of mean(a) - mean(b); NaN where one of them has a single value."""
    if min(len(a), len(b)) < 2:
        return math.nan
    parts = [float(v.var(ddof=1)) / len(v) for v in (a, b)]
    if sum(parts) == 0:
        return 0.0
    degrees = sum(parts) ** 2 / sum(p**2 / (len(v) - 1) for p, v in zip(parts, (a, b), strict=True))
    return float(t_quantile(degrees)) * math.sqrt(sum(parts))
