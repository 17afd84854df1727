"""Lifetime: trainings until cells are worn out, from the wear of one training and the endurance on a card.

SET pulses and full RESET cycles wear a cell apart, each against its own limit; the first limit that is reached ends the
cell. Binary cells of accumulators wear by the bits that change.

    trainings = min(SET limit / SET pulses, RESET limit / RESET pulses, binary limit / flips)     of one training

`first_cell` takes the most written cell of all layers. `0.1 %` and `1 %` take quantiles of the layer that wears
fastest: the first layer in which this share of the cells is worn out. What is never written lasts for ever (infinity);
a network without cells has no lifetime (null).
"""

from collections.abc import Mapping
from functools import cache

import polars as pl

from dse.pricing.card import constant

SHARES: dict[str, str] = {"first_cell": "max", "0_1_percent": "q999", "1_percent": "q99"}
"""When a design counts as worn out, and the column of wear that decides it."""
LIMITS: dict[str, str] = {
    "set": "set_endurance_pulses",
    "reset": "reset_endurance_cycles",
    "flip": "binary_endurance_cycles",
}
ENDS: tuple[str, ...] = ("", "low", "high")
"""The value of a limit, and the ends of its range."""
DAYS_PER_YEAR = 365.25


def wear_name(kind: str, share: str) -> str:
    """Return the column of the table of layers that holds a kind of wear for an entry of `SHARES`."""
    return f"wear_{kind}_{SHARES[share]}"


def _named(share: str, end: str, unit: str) -> str:
    return f"{unit}_to_{share}" + (f"_{end}" if end else "")


@cache
def lifetimes() -> Mapping[str, pl.Expr]:
    """Return lifetimes of a trial, from the largest wear over its layers and a card."""
    alive = pl.col("wearing") > 0
    columns: dict[str, pl.Expr] = {}
    for share in SHARES:
        for end in ENDS:
            kinds = {kind: constant(limit, end) / pl.col(wear_name(kind, share)) for kind, limit in LIMITS.items()}
            if not end:
                for kind, trainings in kinds.items():
                    columns[f"{kind}_trainings_to_{share}"] = pl.when(alive).then(trainings).otherwise(None)
            least = pl.when(alive).then(pl.min_horizontal(*kinds.values())).otherwise(None)
            columns[_named(share, end, "trainings")] = least
            columns[_named(share, end, "years")] = least / (constant("trainings_per_day") * DAYS_PER_YEAR)
    return columns
