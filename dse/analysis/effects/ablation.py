"""Ablations: the controls of a study against each other or against a base, as differences with 95 % intervals.

Where both were simulated under the same seeds, differences are taken seed by seed (paired t); elsewhere the intervals
are Welch's (Biometrika 34, 1947). With one seed there is no interval. The intervals are not corrected for multiple
comparisons: among twenty differences that are 0, one is expected to look resolved.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from dse.analysis.fronts.pareto import checked
from dse.analysis.intervals import mean_half_width, welch_half_width
from dse.analysis.tables.tables import Tables, controls
from dse.errors import QueryError, did_you_mean
from dse.pricing.quantities import QUANTITIES


def ablation(tables: Tables, objectives: Sequence[str], base: str | None = None) -> pl.DataFrame:
    """Return a row for each pair of controls and each objective.

    Args:
        tables: the tables of a study.
        objectives: names of metrics.
        base: a control, or the number of a trial; by default every control is compared with those named before it.

    Returns:
        `design`, `base`, `objective`, the mean of each (`of_design`, `of_base`), their `difference`, `low`, `high`,
        `verdict` ("better" or "worse" where the interval excludes 0, "not resolved" where it does not, null without an
        interval), `interval` ("paired" or "Welch") and `seeds`.

    Raises:
        QueryError: no such base, or fewer than two designs to compare.
    """
    checked(objectives)
    named = dict(controls(tables).select("origin", "trial").iter_rows())
    if base is None:
        pairs = [(second, first) for first, second in itertools.combinations(named, 2)]
    else:
        named |= {} if base in named else {base: _trial(tables, base, list(named))}
        pairs = [(name, base) for name in named if name != base]
    if not pairs:
        raise QueryError("there is nothing to compare; name designs in [controls.NAME] of the study file")
    rows = [
        {"design": a, "base": b, "objective": o} | difference(tables, o, named[a], tables, named[b])
        for o in objectives
        for a, b in pairs
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _trial(tables: Tables, base: str, known: list[str]) -> int:
    if base.isdigit() and int(base) in tables.trials["trial"]:
        return int(base)
    raise QueryError(
        f"unknown base {base!r}{did_you_mean(base, known)} (controls: {', '.join(known) or 'none'}; or give the number "
        "of a trial)"
    )


def difference(tables: Tables, metric: str, trial: int, base_tables: Tables, base: int) -> dict[str, object]:
    """Return by how much a metric of one trial exceeds that of another, with its interval; see `ablation`."""
    here, there = _by_seed(tables, trial, metric), _by_seed(base_tables, base, metric)
    if not here or not there:
        empty = dict.fromkeys(("of_design", "of_base", "difference", "low", "high", "verdict", "interval"))
        return {**empty, "seeds": 0}
    a, b = np.array(list(here.values())), np.array(list(there.values()))
    gap = float(a.mean() - b.mean())
    paired = here.keys() == there.keys()
    half = mean_half_width(a - b) if paired else welch_half_width(a, b)
    known = not math.isnan(half)
    return {
        "of_design": float(a.mean()),
        "of_base": float(b.mean()),
        "difference": gap,
        "low": gap - half if known else None,
        "high": gap + half if known else None,
        "verdict": _verdict(gap, half, metric) if known else None,
        "interval": ("paired" if paired else "Welch") if known else None,
        "seeds": min(len(a), len(b)),
    }


def _by_seed(tables: Tables, trial: int, metric: str) -> dict[int, float]:
    rows = tables.trials.filter(pl.col("trial") == trial).sort("seed")
    if rows[metric].null_count():
        return {}
    return {int(seed): float(value) for seed, value in rows.select("seed", metric).iter_rows()}


def _verdict(gap: float, half: float, metric: str) -> str:
    if abs(gap) <= half:
        return "not resolved"
    return "better" if (gap > 0) == (QUANTITIES[metric].goal == "maximise") else "worse"
