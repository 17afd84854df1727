"""The table of trials: every column with its type, unit and meaning, in one place.

A row is one simulation: a trial (a design that the search or the study file asked for) under one seed, at its end or
where it paused. What belongs
to a layer, to an epoch or to a time of a deployment is nested in the row, so that a trial is durable as one unit;
`dse.analysis.tables.tables` unfolds it into the tables `layers`, `curves` and `deployments`.

Columns are fixed. What they do not foresee is kept by name, so that no new version of the schema is needed for it: a
metric in the map `metrics`, an event or a kind of wear of a layer in the maps `events` and `wear`; learning curves and
deployments are lists of (epoch or time, name, value). Where a column must change, a new version brings the step from
the last one with it; see `dse.results.migration`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from dse.designs.outcome import METRICS

VERSION = 6
"""Version of the schema; tables of earlier versions are read as if they were of this one."""


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


def _named(names: str, type_: pa.DataType) -> dict[str, pa.DataType]:
    return dict.fromkeys(names.split(), type_)


MAP = pa.map_(pa.string(), pa.float64())
METRIC_COLUMNS: dict[str, pa.DataType] = {
    **_named("accuracy validation_accuracy bits_per_character validation_bits_per_character", pa.float64()),
    **_named("frechet_distance validation_frechet_distance loss energy_per_sample_j", pa.float64()),
    **_named("worst_writes worst_flips set_pulses reset_pulses weights cells", pa.int64()),
    **_named("inference_bits programmed_accuracy accuracy_1d retained_accuracy", pa.float64()),
    **_named("validation_retained_accuracy retention_s", pa.float64()),
}
"""Metrics that have a column of their own; all others are in the map `metrics`."""
ABOUT_LAYER: dict[str, pa.DataType] = {
    "layer": pa.int32(),
    "rows": pa.int64(),
    "cols": pa.int64(),
    "bias_rows": pa.int32(),
    "places": pa.int32(),
    "infers": pa.bool_(),
    "cells": pa.int64(),
    "inference_bits": pa.float64(),
    **_named("row_tiles column_tiles dac_bits dac_backward_bits adc_bits adc_backward_bits", pa.int32()),
    **_named("adc_range adc_backward_range", pa.float64()),
    "chi_bits": pa.int32(),
    "chi_storage": pa.string(),
    "operand_bits": pa.int32(),
    "mean_conductance_us": pa.float64(),
    "deployed_cells": pa.int64(),
    **_named("deployed_dac_bits deployed_adc_bits", pa.int32()),
    "deployed_conductance_us": pa.float64(),
}
EVENT_COLUMNS: dict[str, pa.DataType] = {
    **_named("mvm_forward mvm_backward line_drives_forward line_drives_backward", pa.int64()),
    **_named("drive_time_forward drive_time_backward", pa.float64()),
    **_named("dac_forward dac_backward adc_forward adc_backward adc_cut_forward adc_cut_backward", pa.int64()),
    **_named("partial_adds_forward partial_adds_backward set_pulses_update set_pulses_refresh resets", pa.int64()),
    **_named("refresh_reads refreshed_pairs chi_reads chi_writes chi_adds chi_saturated chi_flips", pa.int64()),
    **_named("macs_forward macs_backward macs_update weight_reads weight_writes activations", pa.int64()),
    **_named("set_pulses_deployment resets_deployment single_reads_deployment mvm_deployment", pa.int64()),
    "drive_time_deployment": pa.float64(),
    **_named("dac_deployment adc_deployment", pa.int64()),
}
"""Events that have a column of their own; all others are in the map `events` of a layer."""
WEAR_COLUMNS: dict[str, pa.DataType] = {
    **_named("wear_set_q50 wear_set_q90 wear_set_q99 wear_set_q999 wear_set_max", pa.float64()),
    **_named("wear_reset_q50 wear_reset_q90 wear_reset_q99 wear_reset_q999 wear_reset_max", pa.float64()),
    **_named("wear_flip_q50 wear_flip_q90 wear_flip_q99 wear_flip_q999 wear_flip_max", pa.float64()),
    "wear_writes_max": pa.float64(),
}
"""Kinds of wear that have a column of their own; all others are in the map `wear` of a layer."""
WEAR = "wear_"
"""What the columns of wear begin with."""
LAYER_COLUMNS: dict[str, pa.DataType] = {**ABOUT_LAYER, **EVENT_COLUMNS, **WEAR_COLUMNS}
"""Columns of the table of layers, beside those of its maps; see `LayerUsage` and `dse.crossbar.events`."""
LAYER: dict[str, pa.DataType] = {**LAYER_COLUMNS, "events": MAP, "wear": MAP}
"""What a row holds of a layer."""
TRAIL = pa.map_(pa.string(), pa.list_(pa.float64()))
"""What a row holds of its layers by epoch; see `dse.designs.outcome.Outcome.trail`."""
CURVE: dict[str, pa.DataType] = {"epoch": pa.int32(), "name": pa.string(), "value": pa.float64()}
"""What a row holds of an epoch: the loss and each metric by name."""
DEPLOYMENT: dict[str, pa.DataType] = {
    "compensation": pa.string(),
    "time_s": pa.float64(),
    "repetitions": pa.int32(),
    "name": pa.string(),
    "value": pa.float64(),
    "deviation": pa.float64(),
}
"""What a row holds of a time of a deployment: each metric by name, its mean and its standard deviation."""


def _list(entries: Mapping[str, pa.DataType]) -> pa.DataType:
    return pa.list_(pa.struct(list(entries.items())))


COLUMNS: dict[str, Column] = {
    "trial": _identity(pa.int64(), "number of the trial; the controls of a study come first"),
    "seed": _identity(pa.int64(), "seed of the simulation"),
    "origin": _identity(pa.string(), '"search", or the name of the control'),
    "state": Column(pa.string(), "", '"complete", "failed", or "paused": trained for a part of its epochs', "result"),
    "failure_kind": Column(pa.string(), "", "what kind of failure, or null", "result"),
    "failure": Column(pa.string(), "", "why the trial failed, or null", "result"),
    "design_key": Column(pa.string(), "", "hash of the design", "design"),
    "same_as": Column(pa.int64(), "", "the trial of the same design that was simulated instead, or null", "result"),
    "step": Column(pa.int64(), "", "the step of the search that asked for it, or null", "result"),
    "parameters": Column(pa.string(), "", "what the search chose, as JSON {path: value}", "design"),
    "design": Column(pa.string(), "", "the whole design, as JSON", "design"),
    **{
        name: Column(type_, METRICS[name].unit, METRICS[name].meaning, "result")
        for name, type_ in METRIC_COLUMNS.items()
    },
    "metrics": Column(MAP, "", "further metrics by name", "result"),
    "epochs": Column(pa.int32(), "1", "epochs trained; null for a failure", "result"),
    "train_samples": Column(pa.int64(), "1", "training samples seen, repeats counted", "result"),
    "simulated_time_s": Column(pa.float64(), "s", "time that passed in the simulation", "result"),
    "layers": Column(_list(LAYER), "", "one entry a layer", "result"),
    "curve": Column(_list(CURVE), "", "one entry an epoch and metric", "result"),
    "trail": Column(TRAIL, "", "what changed in the layers, by LAYER.COLUMN, after each epoch", "result"),
    "deployments": Column(_list(DEPLOYMENT), "", "one entry a compensation, time and metric", "result"),
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
