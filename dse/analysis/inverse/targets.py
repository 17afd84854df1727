"""Targets such as accuracy ">= 0.975": how they are read, and which designs meet them."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from dse import renamed
from dse.analysis.fronts.table import number
from dse.analysis.tables.render import cell
from dse.design.outcome import METRICS
from dse.errors import QueryError
from dse.pricing.quantities import quantity

SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Target:
    """A bound on a metric.

    Attributes:
        metric: its name.
        sign: ">=", "<=", ">" or "<".
        bound: a number, in the unit of the metric.
    """

    metric: str
    sign: str
    bound: float

    def __str__(self) -> str:
        return f"{self.metric} {self.sign} {cell(self.metric, self.bound)}"

    def met_by(self, table: pl.DataFrame) -> np.ndarray:
        """Return for each row whether it meets the target; a missing metric does not."""
        values = table[self.metric].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return np.asarray(SIGNS[self.sign](values, self.bound), dtype=bool)


def parse_target(metric: str, text: str) -> Target:
    """Return the target that a text such as ">= 0.975" sets for a metric.

    Raises:
        QueryError: an unknown metric, or a text that is no bound; what came and what is allowed.
    """
    known = quantity(metric, "metric")
    found = re.fullmatch(r"\s*(>=|<=|>|<)\s*(\S+)\s*", text)
    if found is None:
        sign = ">=" if known.goal == "maximise" else "<="
        raise QueryError(
            f"target {text!r} of {metric} is not understood; give >=, <=, > or < and a number, in quotes, such as "
            f'"{sign} 0.975"'
        )
    return Target(metric, found.group(1), number(found.group(2)))


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
        QueryError: none is given, or one cannot be read.
    """
    if not given:
        raise QueryError(f'no target is given; give at least one, such as --accuracy ">= 0.975" ({", ".join(METRICS)})')
    return [parse_target(renamed.quantity(metric), text) for metric, text in given.items()]


def met(table: pl.DataFrame, targets: Sequence[Target]) -> np.ndarray:
    """Return for each row whether it meets all targets.

    Raises:
        QueryError: no row does; how many meet each, and the best there is.
    """
    each = [target.met_by(table) for target in targets]
    together = np.logical_and.reduce(each)
    if not together.any():
        lines = [
            f"  {t}: {int(m.sum())} designs meet it; {_best(table, t)}" for t, m in zip(targets, each, strict=True)
        ]
        raise QueryError(
            f"none of {len(table)} complete designs meets all targets; relax one, or search on\n" + "\n".join(lines)
        )
    return together


def _best(table: pl.DataFrame, target: Target) -> str:
    values = table[target.metric].drop_nulls()
    if values.is_empty():
        return "no design has it"
    best = float(values.max() if target.sign.startswith(">") else values.min())  # type: ignore[arg-type]
    return f"the best is {cell(target.metric, best)}"
