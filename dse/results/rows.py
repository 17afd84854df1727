"""Rows of the table as Python objects: made of outcomes, checked, turned into Arrow and back, unfolded."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

import pyarrow as pa

from dse.crossbar.usage import LayerUsage
from dse.deployment.evaluation import Evaluation
from dse.designs.outcome import Failure, Outcome
from dse.errors import ResultsError
from dse.results.schema import (
    ABOUT_LAYER,
    COLUMNS,
    CURVE,
    DEPLOYMENT,
    EVENT_COLUMNS,
    LAYER,
    LAYER_COLUMNS,
    METRIC_COLUMNS,
    SCHEMA,
    WEAR,
    WEAR_COLUMNS,
)
from dse.spec import shown
from dse.tasks.curve import Epoch

Row = dict[str, Any]
"""A row, or what it holds of a layer, an epoch or a time; maps are dictionaries."""
DEVIATIONS = {"accuracy": "deviation", "validation_accuracy": "validation_deviation"}
"""Columns of standard deviations in the table of deployments that have names of their own; see `deviation_of`."""


def result_fields(outcome: Outcome | Failure) -> Row:
    """Return the columns that an outcome fills; a failure leaves the numbers null."""
    if isinstance(outcome, Failure):
        empty = dict.fromkeys([*METRIC_COLUMNS, "epochs", "train_samples", "simulated_time_s", "data_checksum"])
        lists: Row = {"metrics": {}, "layers": [], "curve": [], "trail": {}, "deployments": []}
        return {"state": "failed", "failure_kind": outcome.kind, "failure": outcome.reason, **empty, **lists}
    return {
        "state": "paused" if outcome.is_paused else "complete",
        "failure_kind": None,
        "failure": None,
        **{name: outcome.metrics.get(name) for name in METRIC_COLUMNS},
        "metrics": _others(outcome.metrics, METRIC_COLUMNS),
        "epochs": outcome.epochs,
        "train_samples": outcome.train_samples,
        "simulated_time_s": outcome.simulated_time_s,
        "layers": [_layer(layer) for layer in outcome.layers],
        "curve": [entry for point in outcome.curve for entry in _of_epoch(point)],
        "trail": {name: list(map(float, values)) for name, values in sorted(outcome.trail.items())},
        "deployments": [entry for evaluation in outcome.deployments for entry in _of_time(evaluation)],
        "data_checksum": outcome.data_checksum,
    }


def _others(values: Mapping[str, float | int], columns: Iterable[str]) -> dict[str, float]:
    """Return what has no column of its own, in the order of its names, so that equal results are spelt alike."""
    return {name: float(value) for name, value in sorted(values.items()) if name not in columns}


def _layer(layer: LayerUsage) -> Row:
    wear = _prefixed(layer.wear)
    return {
        **{name: getattr(layer, name) for name in ABOUT_LAYER},
        **{name: layer.events.get(name, 0) for name in EVENT_COLUMNS},
        **{name: wear.get(name, 0.0) for name in WEAR_COLUMNS},
        "events": _others(layer.events, EVENT_COLUMNS),
        "wear": {name.removeprefix(WEAR): value for name, value in _others(wear, WEAR_COLUMNS).items()},
    }


def _of_epoch(point: Epoch) -> list[Row]:
    values = {**point.metrics, "loss": point.loss}
    return [{"epoch": point.epoch, "name": name, "value": values[name]} for name in sorted(values)]


def _of_time(found: Evaluation) -> list[Row]:
    head = {"compensation": found.compensation, "time_s": found.time_s, "repetitions": found.repetitions}
    return [
        {**head, "name": name, "value": found.metrics[name], "deviation": found.deviations.get(name)}
        for name in sorted(found.metrics)
    ]


def object_of(text: str, what: str) -> dict[str, Any]:
    """Return what a row holds as JSON, such as a design.

    Args:
        text: the JSON.
        what: it is, and of which row, for a message.

    Raises:
        ResultsError: it is no JSON object. No version wrote that: the results were changed, with their checksums.
    """
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ResultsError(f"{what} is no JSON object: {shown(text)}. No version of the framework wrote such results")
    return cast("dict[str, Any]", found)


def check_row(row: Mapping[str, Any]) -> None:
    """Check that a row has exactly the columns of the schema, at both levels.

    Raises:
        ValueError: a key is missing or unknown, or a name in a map is that of a column or cannot be one. This is a
            defect of the framework, or of a plug-in: a table would take a misspelt key in silence and hold null for
            the right one.
    """
    same_keys(row, COLUMNS, "row")
    _check_names(row["metrics"], COLUMNS, "metrics")
    for layer in row["layers"]:
        same_keys(layer, LAYER, "layers")
        _check_names(layer["events"], LAYER_COLUMNS, "events")
        _check_names(_prefixed(layer["wear"]), LAYER_COLUMNS, "wear")
    for column, entries in (("curve", CURVE), ("deployments", DEPLOYMENT)):
        for entry in row[column]:
            same_keys(entry, entries, column)


def same_keys(given: Mapping[str, Any], wanted: Mapping[str, Any], what: str) -> None:
    """Check that a table has the keys that it should have.

    Raises:
        ValueError: naming those that it lacks or has too many.
    """
    if given.keys() != wanted.keys():
        raise ValueError(f"{what}: columns differ: {sorted(given.keys() ^ wanted.keys())}")


def _check_names(values: Mapping[str, Any], columns: Mapping[str, Any], what: str) -> None:
    for name in values:
        if not name.isidentifier() or name in columns:
            raise ValueError(f"{what}: {name!r} is a column already, or cannot be one; give it another name")


def to_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return rows as an Arrow table of the schema."""
    return pa.Table.from_pylist([with_pairs(row) for row in rows], schema=SCHEMA)


def with_pairs(row: Mapping[str, Any]) -> Row:
    """Return a row of this version or of an earlier one with its maps as pairs, as Arrow takes them."""
    layers = [_pairs_of(entry, ("events", "wear")) for entry in row["layers"]]
    return {**_pairs_of(row, ("metrics", "trail")), "layers": layers}


def _pairs_of(entry: Mapping[str, Any], maps: Iterable[str]) -> Row:
    return {**entry, **{name: list(entry[name].items()) for name in maps if name in entry}}


def to_rows(table: pa.Table) -> list[Row]:
    """Return the rows of an Arrow table of the schema."""
    rows = table.to_pylist()
    for row in rows:
        row |= {"metrics": dict(row["metrics"]), "trail": dict(row["trail"])}
        for layer in row["layers"]:
            layer |= {"events": dict(layer["events"]), "wear": dict(layer["wear"])}
    return rows


def metric_of(row: Mapping[str, Any], name: str) -> float | int | None:
    """Return a metric of a row, from its column or from the map; None where the row lacks it."""
    return row[name] if name in METRIC_COLUMNS else row["metrics"].get(name)


def deviation_of(name: str) -> str:
    """Return the column of the table of deployments that holds the standard deviation of a metric."""
    return DEVIATIONS.get(name, f"{name}_deviation")


def unfolded(row: Mapping[str, Any]) -> Row:
    """Return a row, or some columns of one, with a key for each name: maps dissolved, an entry for each epoch."""
    found = dict(row)
    found |= found.pop("metrics")
    found["layers"] = [
        {**{k: v for k, v in e.items() if k not in ("events", "wear")}, **e["events"], **_prefixed(e["wear"])}
        for e in row["layers"]
    ]
    found["curve"] = _together(row["curve"], ("epoch",))
    found["deployments"] = _together(row["deployments"], ("compensation", "time_s", "repetitions"))
    return found


def _prefixed(wear: Mapping[str, float]) -> Row:
    return {f"{WEAR}{name}": value for name, value in wear.items()}


def _together(entries: Iterable[Mapping[str, Any]], keys: tuple[str, ...]) -> list[Row]:
    """Return entries of one name each as entries with a key for each name."""
    found: dict[tuple[Any, ...], Row] = {}
    for entry in entries:
        point = found.setdefault(tuple(entry[key] for key in keys), {key: entry[key] for key in keys})
        point[entry["name"]] = entry["value"]
        if "deviation" in entry:
            point[deviation_of(entry["name"])] = entry["deviation"]
    return list(found.values())
