"""Designs that differ in free axes alone, and the numbers that tell them apart.

A trial that is priced in n variants (see `dse.analysis.costs.priced`) becomes n designs. In the tables of these the
column `trial` holds the number of a design:

    number = trial * n + variant,    trial = number // n,    variant = number % n,

which keeps the order of trials. All designs of a trial share its simulation, noise included.
"""

from dataclasses import replace

import numpy as np
import polars as pl

from dse.analysis.tables.tables import Tables


def design_number(trial: pl.Expr, variant: pl.Expr, variants: int) -> pl.Expr:
    """Return the number of a variant of a trial; see the module."""
    return trial * variants + variant


def simulated_trial(number: pl.Expr, variants: int) -> pl.Expr:
    """Return the trial that a design belongs to; see the module."""
    return number // variants


def with_simulated_trials(tables: Tables, table: pl.DataFrame) -> pl.DataFrame:
    """Return a table of designs in which `trial` is the trial that was simulated."""
    return table.with_columns(simulated_trial(pl.col("trial"), tables.variants))


def simulation_groups(tables: Tables, numbers: pl.Series) -> np.ndarray:
    """Return group numbers from 0, equal for designs of one simulation, shape (designs,)."""
    trials = pl.select(simulated_trial(pl.lit(numbers), tables.variants)).to_series()
    return np.unique(trials.to_numpy(), return_inverse=True)[1]


def first_variants(tables: Tables) -> Tables:
    """Return tables of simulated trials without free axes: for metrics that no price enters, all variants are equal."""
    if tables.variants == 1:
        return tables
    trial = simulated_trial(pl.col("trial"), tables.variants)
    first = tables.trials.filter(pl.col("trial") == design_number(trial, pl.lit(0), tables.variants))
    searched = [name for name in tables.parameters if name not in tables.free]
    return replace(tables, trials=with_simulated_trials(tables, first), parameters=searched, free=[], variants=1)
