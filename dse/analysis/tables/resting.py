"""Networks whose cells rest: what they learn stays in accumulators, and no front says so."""

import polars as pl

from dse.analysis.tables.tables import Tables
from dse.pricing.text import counted

RESTED = "wear_never_pulsed"
"""Column of the table of layers; see `dse.updates.standing`."""
MOST = 0.75
"""Share of cells without a pulse from which a layer rests: a weight that moves one way leaves one of its two cells
alone, so that up to a half is no sign."""


def resting(tables: Tables) -> list[int]:
    """Return the trials on crossbars in which more than half of the layers, those of all seeds together, rest."""
    layers = tables.layers
    if RESTED not in layers.columns:
        return []
    known = layers.filter((pl.col("cells") > 0) & pl.col(RESTED).is_not_null())
    shares = known.group_by("trial").agg((pl.col(RESTED) > MOST).mean().alias("share"))
    return sorted(shares.filter(pl.col("share") > 0.5)["trial"].to_list())


def warning(tables: Tables) -> str:
    """Return a line for a study with such trials, with what to do; "" for one without."""
    found = resting(tables)
    if not found:
        return ""
    of = f"{counted(len(found), 'trial')}, such as trial {found[0]}"
    return (
        f"warning: cells do not learn in {of}: in most layers more than {100 * MOST:g} % of them took no pulse, and "
        "updates stay in the accumulators. Make steps finer (array.pairs_per_weight, array.conductance_per_std_us), "
        "lower accumulator.epsilon, raise the learning rate, or train longer; "
        f"{RESTED} of the table layers says where"
    )
