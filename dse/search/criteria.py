"""What designs are judged by: the objectives and constraints of a study, from the rows of its table.

A quantity is a metric that the table stores, or one that a price adds (see `dse.pricing.price`), which is computed from
the layers of a row and the cost card whenever it is needed. A price is a pure function of both, and of a row it is the
same to the last bit whether it is priced alone or among others: so what a sampler is told is the same in a run, in a
resume and in the analysis afterwards.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa

from dse.crossbar.usage import FACTS
from dse.pricing.bounds import Bound
from dse.pricing.card import CostCard
from dse.pricing.price import COLUMNS, price
from dse.results.rows import Row, metric_of
from dse.results.schema import LAYER_COLUMNS, METRIC_COLUMNS

ENERGY = "energy_per_sample_j"
"""The one price that the table stores."""

Values = Sequence[float]
"""A number for each quantity of some `Criteria`."""


@dataclass(frozen=True)
class Verdict:
    """What came of a trial, or of one of its seeds.

    Attributes:
        values: of the objectives.
        margins: how far each constraint is from being met; at most 0 where it is, by how far it could get worse. See
            `dse.pricing.bounds`.
    """

    values: Values
    margins: Values = ()

    @property
    def violations(self) -> list[float]:
        """How far each constraint is from being met, 0 where it is."""
        return [max(0.0, own) for own in self.margins]

    @property
    def is_feasible(self) -> bool:
        """Whether all constraints are met."""
        return not any(self.violations)


@dataclass(frozen=True)
class Criteria:
    """What the designs of a study are judged by.

    Attributes:
        objectives: names of quantities; see `dse.pricing.quantities`.
        card: the cost card.
        constraints: bounds on quantities.
    """

    objectives: Sequence[str]
    card: CostCard
    constraints: Sequence[Bound] = ()

    @property
    def quantities(self) -> list[str]:
        """What is looked up of a row: the objectives, then what else constraints bound."""
        return list(dict.fromkeys([*self.objectives, *(bound.metric for bound in self.constraints)]))

    def verdict(self, of_seeds: Sequence[Values | None]) -> Verdict | None:
        """Return what came of a trial, from the values of its seeds; None where one of them has none.

        Constraints are judged by the means over seeds, as objectives are.
        """
        means = mean(of_seeds)
        if means is None:
            return None
        named = dict(zip(self.quantities, means, strict=True))
        margins = [float(bound.margins(np.array(named[bound.metric]))) for bound in self.constraints]
        return None if any(map(math.isnan, margins)) else Verdict(means[: len(self.objectives)], margins)

    def of(self, rows: Sequence[Row]) -> list[Values | None]:
        """Return the values of `quantities` of rows, in their order.

        None for a row that lacks one, as a failed one does.
        """
        priced = [name for name in self.quantities if name in COLUMNS and name not in METRIC_COLUMNS]
        none: list[dict[str, float | None]] = [{} for _ in rows]
        prices = prices_of(rows, self.card, priced) if priced else none
        return [self._values(row, own) for row, own in zip(rows, prices, strict=True)]

    def _values(self, row: Row, prices: Mapping[str, float | None]) -> Values | None:
        found: list[float] = []
        for name in self.quantities:
            value = prices[name] if name in prices else metric_of(row, name)
            if value is None:
                return None
            found.append(value)
        return found


def mean(of_seeds: Sequence[Values | None]) -> Values | None:
    """Return the mean of each value over the seeds of a trial, or None where a seed has none."""
    known = [values for values in of_seeds if values is not None]
    if len(known) < len(of_seeds):
        return None
    return [sum(values) / len(of_seeds) for values in zip(*known, strict=True)]


def prices_of(
    results: Sequence[Mapping[str, Any]], card: CostCard, names: Sequence[str]
) -> list[dict[str, float | None]]:
    """Return prices of results, all computed at once: a price has a fixed cost, whatever the number.

    Args:
        results: each with `train_samples` and `layers`, as a row of the table has them.
        card: the cost card.
        names: columns of `dse.pricing.price.COLUMNS`.

    Returns:
        A dictionary for each result, by name; None where something has no price, and for results without layers.
    """
    layers = [
        {"trial": number, "seed": 0, "train_samples": result["train_samples"], **layer, **_facts(layer)}
        for number, result in enumerate(results)
        for layer in result["layers"]
    ]
    found: list[dict[str, float | None]] = [dict.fromkeys(names) for _ in results]
    if layers:
        head = {"trial": pa.int64(), "seed": pa.int64(), "train_samples": pa.int64()}
        columns = {**head, **LAYER_COLUMNS, **dict.fromkeys(FACTS, pa.float64())}
        table = pa.Table.from_pylist(layers, schema=pa.schema(list(columns.items())))
        priced = price(cast("pl.DataFrame", pl.from_arrow(table)), card, names)
        for row in priced.drop("seed").iter_rows(named=True):
            found[row.pop("trial")] = row
    return found


def _facts(layer: Mapping[str, Any]) -> dict[str, float | None]:
    """Return what prices find among the further events of a layer; None for what is not there."""
    events = dict(layer.get("events", {}))
    return {name: events.get(name) for name in FACTS}
