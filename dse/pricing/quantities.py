"""Every quantity that a design can be compared by: the metrics of a simulation and all that pricing adds."""

from collections import ChainMap
from collections.abc import Mapping
from typing import Any, cast

from dse import renamed
from dse.designs.outcome import METRICS
from dse.errors import QueryError, did_you_mean
from dse.metric import Metric
from dse.plugins import missing
from dse.pricing.price import COLUMNS
from dse.pricing.wear import lifetimes

UNITS = {"_j": "J", "_s": "s", "_m2": "m2", "_bits": "bits"}


def _priced(name: str) -> Metric:
    if name in lifetimes():
        return Metric(
            "maximise", "years" if name.startswith("years") else "1", "lifetime of the cells", priced=True, low=0.0
        )
    if name.endswith("_per_second"):
        return Metric("maximise", "1/s", "throughput; see dse.pricing.price", priced=True, low=0.0)
    unit = next((unit for end, unit in UNITS.items() if name.endswith(end)), "1")
    return Metric("minimise", unit, "see dse.pricing.price", priced=True, low=0.0)


QUANTITIES: Mapping[str, Metric] = ChainMap(cast("Any", METRICS), {name: _priced(name) for name in COLUMNS})
"""All metrics by name: those that a table stores, and those that it has once it is priced."""


def meaning_of(name: str) -> str:
    """Return what a metric means; "" for one of a plug-in that is not here."""
    return QUANTITIES[name].meaning if name in QUANTITIES else ""


def is_test_metric(name: str) -> bool:
    """Return whether a metric says how well a trained network does its task on samples that no search has seen."""
    if name.startswith("validation_"):
        return False
    metric = QUANTITIES.get(name)
    return metric is None or (bool(metric.tasks) and not metric.deployed)


def quantity(name: str, what: str = "objective") -> Metric:
    """Return the quantity of a name.

    Raises:
        QueryError: nothing; what there is.
    """
    if name not in QUANTITIES and missing():
        raise QueryError(f"nothing here knows the {what} {name!r}, which a plug-in may bring: {'; '.join(missing())}")
    if name not in QUANTITIES:
        hint = renamed.hint(name) or did_you_mean(name, QUANTITIES)
        raise QueryError(
            f"unknown {what} {name!r}{hint} (known: {', '.join(METRICS)}, and the columns of `dse price --format csv`)"
        )
    return QUANTITIES[name]
