"""Targets such as accuracy ">= 0.975": how they are read, and which designs meet them."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from dse import renamed
from dse.designs.outcome import METRICS
from dse.errors import QueryError
from dse.pricing.bounds import Bound, check_possible, parse_bound
from dse.pricing.text import cell, counted

Target = Bound
"""A bound that designs shall meet."""
parse_target = parse_bound


def split_target(text: str) -> tuple[str, str]:
    """Return the metric and the bound of a text such as "accuracy >= 0.975".

    Raises:
        QueryError: no name comes first.
    """
    found = re.match(r"\s*(\w+)\s*(.*)", text, re.DOTALL)
    if found is None:
        raise QueryError(f"target {text!r} is not understood; give a name and a bound, such as 'area_m2 <= 1e-7'")
    return found.group(1), found.group(2)


def parse_targets(given: Mapping[str, str]) -> list[Target]:
    """Return the targets for some metrics.

    Raises:
        QueryError: none is given, one cannot be read, or no value meets one.
    """
    if not given:
        raise QueryError(f'no target is given; give at least one, such as --accuracy ">= 0.975" ({", ".join(METRICS)})')
    targets = [parse_target(renamed.quantity(metric), text) for metric, text in given.items()]
    for target in targets:
        check_possible(target)
    return targets


def met(table: pl.DataFrame, targets: Sequence[Target]) -> np.ndarray:
    """Return for each row whether it meets all targets.

    Raises:
        QueryError: no row does; how many meet each, and the best there is.
    """
    each = [target.met_by(table) for target in targets]
    together = np.logical_and.reduce(each)
    if not together.any():
        lines = [f"  {t}: {_met_by(int(m.sum()))}; {_best(table, t)}" for t, m in zip(targets, each, strict=True)]
        raise QueryError(
            f"none of {counted(len(table), 'complete design')} meets all targets; relax one, or search on\n"
            + "\n".join(lines)
        )
    return together


def _met_by(designs: int) -> str:
    return f"{counted(designs, 'design')} {'meets' if designs == 1 else 'meet'} it"


def _best(table: pl.DataFrame, target: Target) -> str:
    values = table[target.metric].drop_nulls()
    if values.is_empty():
        return "no design has it"
    best = float(values.max() if target.sign.startswith(">") else values.min())  # type: ignore[arg-type]
    return f"the best is {cell(target.metric, best)}"
