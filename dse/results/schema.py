"""The table of trials: every column with its type, unit and meaning, in one place.

A row is one simulation: a trial (a design that the search or the study file asked for) under one seed. What belongs
to a layer, to an epoch or to a time of a deployment is nested in the row, so that a trial is durable as one unit;
`dse.analysis.tables.tables` unfolds it into the tables `layers`, `curves` and `deployments`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa

from dse.crossbar.events import EVENT_NAMES, REAL_EVENTS
from dse.crossbar.usage import WEAR_NAMES, LayerUsage
from dse.design.outcome import METRICS, Failure, Outcome

VERSION = 4
"""Version of the schema; a table of another version is refused."""


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        type: its Arrow type.
        unit: "1" where dimensionless, "" where not a quantity.
        meaning: one line.
        role: "identity", "design", "result" or "provenance". Two runs of a study agree in all but provenance.
    """

    type: pa.DataType
    unit: str
    meaning: str
    role: str


def _identity(type_: pa.DataType, meaning: str) -> Column:
    return Column(type_, "", meaning, "identity")


def _provenance(type_: pa.DataType, meaning: str, unit: str = "") -> Column:
    return Column(type_, unit, meaning, "provenance")


WHOLE_METRICS = frozenset({"worst_writes", "worst_flips", "set_pulses", "reset_pulses", "weights", "cells"})
LAYER_COLUMNS: dict[str, pa.DataType] = {
    "layer": pa.int32(),
    "rows": pa.int64(),
    "cols": pa.int64(),
    "bias_rows": pa.int32(),
    "places": pa.int32(),
    "infers": pa.bool_(),
    "cells": pa.int64(),
    "inference_bits": pa.float64(),
    "row_tiles": pa.int32(),
    "column_tiles": pa.int32(),
    "dac_bits": pa.int32(),
    "dac_backward_bits": pa.int32(),
    "adc_bits": pa.int32(),
    "adc_backward_bits": pa.int32(),
    "adc_range": pa.float64(),
    "adc_backward_range": pa.float64(),
    "chi_bits": pa.int32(),
    "chi_storage": pa.string(),
    "operand_bits": pa.int32(),
    "mean_conductance_us": pa.float64(),
    "deployed_cells": pa.int64(),
    "deployed_dac_bits": pa.int32(),
    "deployed_adc_bits": pa.int32(),
    "deployed_conductance_us": pa.float64(),
    **{name: pa.float64() if name in REAL_EVENTS else pa.int64() for name in EVENT_NAMES},
    **{f"wear_{name}": pa.float64() for name in WEAR_NAMES},
}
"""Columns of the table of layers; see `LayerUsage` and `Events`."""
LAYER_FIELDS = tuple(field.name for field in fields(LayerUsage) if field.name not in ("events", "wear"))
CURVE_COLUMNS: dict[str, pa.DataType] = {
    "epoch": pa.int32(),
    "loss": pa.float64(),
    "validation_accuracy": pa.float64(),
    "accuracy": pa.float64(),
    "validation_bits_per_character": pa.float64(),
    "bits_per_character": pa.float64(),
    "validation_frechet_distance": pa.float64(),
    "frechet_distance": pa.float64(),
}
"""Columns of the table of curves; see `Epoch`."""
DEPLOYMENT_COLUMNS: dict[str, pa.DataType] = {
    "compensation": pa.string(),
    "time_s": pa.float64(),
    "accuracy": pa.float64(),
    "deviation": pa.float64(),
    "validation_accuracy": pa.float64(),
    "validation_deviation": pa.float64(),
    "repetitions": pa.int32(),
}
"""Columns of the table of deployments; see `Evaluation`."""

COLUMNS: dict[str, Column] = {
    "trial": _identity(pa.int64(), "number of the trial; the controls of a study come first"),
    "seed": _identity(pa.int64(), "seed of the simulation"),
    "origin": _identity(pa.string(), '"search", or the name of the control'),
    "state": Column(pa.string(), "", '"complete" or "failed"', "result"),
    "failure_kind": Column(pa.string(), "", "what kind of failure, or null", "result"),
    "failure": Column(pa.string(), "", "why the trial failed, or null", "result"),
    "design_key": Column(pa.string(), "", "hash of the design", "design"),
    "same_as": Column(pa.int64(), "", "the trial of the same design that was simulated instead, or null", "result"),
    "parameters": Column(pa.string(), "", "what the search chose, as JSON {path: value}", "design"),
    "design": Column(pa.string(), "", "the complete design, as JSON", "design"),
    **{
        name: Column(pa.int64() if name in WHOLE_METRICS else pa.float64(), m.unit, m.meaning, "result")
        for name, m in METRICS.items()
    },
    "train_samples": Column(pa.int64(), "1", "training images seen, repeats counted", "result"),
    "simulated_time_s": Column(pa.float64(), "s", "time that passed in the simulation", "result"),
    "layers": Column(pa.list_(pa.struct(list(LAYER_COLUMNS.items()))), "", "one entry a layer", "result"),
    "curve": Column(pa.list_(pa.struct(list(CURVE_COLUMNS.items()))), "", "one entry an epoch", "result"),
    "deployments": Column(
        pa.list_(pa.struct(list(DEPLOYMENT_COLUMNS.items()))), "", "one entry a compensation and time", "result"
    ),
    "data_checksum": _identity(pa.string(), "SHA-256 of the data set"),
    "cost_card": _identity(pa.string(), "name of the card that priced energy_per_sample_j"),
    "study_key": _identity(pa.string(), "hash of the meaning of the study"),
    "code": _provenance(pa.string(), "version of the framework and hash of its source"),
    "packages": _provenance(pa.string(), "versions of the packages that results depend on, as JSON"),
    "host": _provenance(pa.string(), "machine that simulated"),
    "started_at": _provenance(pa.string(), "start of the simulation, UTC, ISO 8601"),
    "wall_s": _provenance(pa.float64(), "duration of the simulation", "s"),
    "attempts": _provenance(pa.int32(), "times the simulation was started"),
    "came_from": _provenance(pa.string(), "results and trial that this row was taken from, or null"),
}
"""Every column of the table of trials."""

SCHEMA = pa.schema(
    [
        pa.field(name, c.type, metadata={"unit": c.unit, "meaning": c.meaning, "role": c.role})
        for name, c in COLUMNS.items()
    ],
    metadata={"dse_schema": str(VERSION)},
)
RESULT_COLUMNS: tuple[str, ...] = tuple(name for name, c in COLUMNS.items() if c.role != "provenance")
"""Columns in which two runs of the same study agree."""


def result_fields(outcome: Outcome | Failure) -> dict[str, Any]:
    """Return the columns that an outcome fills; a failure leaves the numbers null."""
    if isinstance(outcome, Failure):
        empty = dict.fromkeys([*METRICS, "train_samples", "simulated_time_s", "data_checksum"])
        return {
            "state": "failed",
            "failure_kind": outcome.kind,
            "failure": outcome.reason,
            **empty,
            "layers": [],
            "curve": [],
            "deployments": [],
        }
    layers = [
        {
            **{name: getattr(e, name) for name in LAYER_FIELDS},
            **e.events,
            **{f"wear_{name}": e.wear[name] for name in WEAR_NAMES},
        }
        for e in outcome.layers
    ]
    return {
        "state": "complete",
        "failure_kind": None,
        "failure": None,
        **{name: outcome.metrics.get(name) for name in METRICS},
        "train_samples": outcome.train_samples,
        "simulated_time_s": outcome.simulated_time_s,
        "layers": layers,
        "curve": [
            {name: {**vars(point), **point.metrics}.get(name) for name in CURVE_COLUMNS} for point in outcome.curve
        ],
        "deployments": [{name: getattr(e, name) for name in DEPLOYMENT_COLUMNS} for e in outcome.deployments],
        "data_checksum": outcome.data_checksum,
    }


def check_row(row: Mapping[str, Any]) -> None:
    """Check that a row has exactly the columns of the schema, at both levels.

    Raises:
        ValueError: a key is missing or unknown. This is a defect of the framework: a table would take a misspelt key
            in silence and hold null for the right one.
    """
    _same_keys(row, COLUMNS, "row")
    for entry in row["layers"]:
        _same_keys(entry, LAYER_COLUMNS, "layer")
    for entry in row["curve"]:
        _same_keys(entry, CURVE_COLUMNS, "curve")
    for entry in row["deployments"]:
        _same_keys(entry, DEPLOYMENT_COLUMNS, "deployment")


def _same_keys(given: Mapping[str, Any], expected: Mapping[str, Any], what: str) -> None:
    if given.keys() != expected.keys():
        raise ValueError(f"{what}: columns differ: {sorted(given.keys() ^ expected.keys())}")
