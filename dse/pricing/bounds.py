"""Bounds on quantities, such as accuracy ">= 0.975": how they are read, who meets them, and how far off others are.

They are the constraints of a study, and the targets of `dse require`.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from dse.errors import QueryError
from dse.pricing.quantities import quantity
from dse.pricing.text import cell

SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
CLOSED = (">=", "<=")
"""The signs of a constraint."""
FARTHEST = 2.0
"""The largest violation: of a value as large as the bound and of the other sign."""


@dataclass(frozen=True)
class Bound:
    """A bound on a quantity.

    Attributes:
        metric: its name.
        sign: ">=", "<=", ">" or "<".
        bound: a number, in the unit of the metric.
    """

    metric: str
    sign: str
    bound: float

    def __str__(self) -> str:
        # As prices are shown, unless that would hide digits that decide.
        short = float(f"{self.bound:.3g}") == self.bound
        return f"{self.metric} {self.sign} {cell(self.metric, self.bound) if short else repr(self.bound)}"

    def met(self, values: np.ndarray) -> np.ndarray:
        """Return for each value whether it meets the bound; NaN, which is a missing one, does not."""
        return np.asarray(SIGNS[self.sign](values, self.bound), dtype=bool)

    def met_by(self, table: pl.DataFrame) -> np.ndarray:
        """Return for each row of a table whether it meets the bound; a missing value does not."""
        return self.met(values_of(table, self.metric))

    def violations(self, values: np.ndarray) -> np.ndarray:
        """Return how far each value is beyond the bound: |value - bound| / max(|value|, |bound|).

        So violations of quantities in different units compare: half of what is wanted, or twice, is 0.5 for all.

        Args:
            values: any shape; NaN where one is missing.

        Returns:
            The same shape: 0 where a value meets the bound, above 0 and up to 2 where it does not, 1 where it is
            infinite, NaN where it is missing.
        """
        return np.maximum(self.margins(values), 0.0)

    def margins(self, values: np.ndarray) -> np.ndarray:
        """Return the same as `violations`, and how far each value that meets the bound is from it, as below 0."""
        with np.errstate(invalid="ignore", over="ignore"):
            scale = np.maximum(np.abs(values), abs(self.bound))
            far = np.minimum(np.abs(values - self.bound) / np.where(scale > 0, scale, 1.0), FARTHEST)
        far = np.where(np.isinf(values), 1.0, far)
        return np.where(np.isnan(values), np.nan, np.where(self.met(values), -far, far))


def values_of(table: pl.DataFrame, metric: str) -> np.ndarray:
    """Return a column as numbers; NaN where one is missing."""
    return table[metric].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def parse_bound(metric: str, text: str, what: str = "target", signs: Sequence[str] = tuple(SIGNS)) -> Bound:
    """Return the bound that a text such as ">= 0.975" sets for a metric.

    Args:
        metric: its name.
        text: the bound.
        what: what to call it in an error.
        signs: those that are allowed.

    Raises:
        QueryError: an unknown metric, or a text that is no bound; what came and what is allowed.
    """
    known = quantity(metric, "metric" if what == "target" else what)
    found = re.fullmatch(r"\s*(>=|<=|>|<)\s*(\S+)\s*", text)
    if found is None or found.group(1) not in signs:
        sign = ">=" if known.goal == "maximise" else "<="
        raise QueryError(
            f"{what} {text!r} of {metric} is not understood; give {', '.join(signs[:-1])} or {signs[-1]} and a number, "
            f'in quotes, such as "{sign} 0.975"'
        )
    return Bound(metric, found.group(1), number(found.group(2)))


def check_possible(bound: Bound, what: str = "target") -> None:
    """Check that some value of a quantity meets a bound.

    Args:
        bound: the bound.
        what: what to call it in an error.

    Raises:
        QueryError: no value meets it; which values there are.
    """
    known = quantity(bound.metric)
    best = known.low if bound.sign.startswith("<") else known.high
    if not SIGNS[bound.sign](best, bound.bound):
        raise QueryError(
            f'{what} "{bound.sign} {bound.bound:g}" of {bound.metric} is met by no value: it is {known.range}; give a '
            "bound that some of these values meet, or leave it out"
        )


def parse_constraints(given: Mapping[str, object]) -> list[Bound]:
    """Return the constraints of a study, in the order of their names, so that the order in a file means nothing.

    Args:
        given: bounds by the names of quantities; their signs are ">=" and "<=".

    Raises:
        QueryError: one that cannot be read; which, what came and what is allowed.
    """
    found: list[Bound] = []
    for metric, text in sorted(given.items()):
        try:
            found.append(parse_bound(metric, str(text), "constraint", CLOSED))
        except QueryError as error:
            raise QueryError(f"constraints.{metric}: {error}") from None
    return found


def number(text: str) -> float:
    """Return a finite number.

    Raises:
        QueryError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise QueryError(f"{text.strip()!r} is not a number; write it as 0.01 or 1e-8")
    return value
