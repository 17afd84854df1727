"""Rows of shorter trainings from that of the longest: epochs are prefixes.

Where nothing in a training looks at its length, a training of 3 epochs is the first 3 epochs of one of 30, to the last
bit. The row of the longer one holds its learning curve and what its layers were after every epoch
(`dse.tasks.trail`), so that the row of the shorter one follows without simulating it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from dse.crossbar.usage import LayerUsage
from dse.designs.outcome import Outcome
from dse.designs.report import counted, endured, learned
from dse.designs.tables import Design
from dse.results.rows import Row, result_fields
from dse.results.schema import ABOUT_LAYER, EVENT_COLUMNS, WEAR, WEAR_COLUMNS
from dse.tasks.curve import Epoch
from dse.tasks.trail import shortened, value_at


def prefix_key(design: Design) -> str | None:
    """Return what a design has in common with shorter and longer trainings of it; None where these are no prefixes.

    That is a hash of all of it but `training.epochs`. Trainings are no prefixes where the learning rate follows a
    schedule or the training says that it looks at its length in another way
    (`dse.updates.training.AbstractTraining.shorter_are_prefixes`), where nothing is trained, and where a deployment
    follows the last epoch.
    """
    training = design.training
    if not training.shorter_are_prefixes or training.passes < 1 or design.deployment is not None:
        return None
    content = design.as_dict()
    content["training"] = {name: value for name, value in content["training"].items() if name != "epochs"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def is_prefix_design(shorter: Design, longer: Design) -> bool:
    """Return whether the training of a design is the beginning of that of another, or all of it."""
    key = prefix_key(shorter)
    return key is not None and key == prefix_key(longer) and shorter.training.passes <= longer.training.passes


def prefix(row: Mapping[str, Any], epochs: int, design: Design) -> Row:
    """Return the columns that the outcome of a shorter training fills, from the row of a longer one.

    Args:
        row: the columns of a training that ended or paused, as `dse.results.rows.result_fields` gives them, or more.
        epochs: epochs of the shorter training.
        design: the design of the row, or one that differs in its epochs alone.

    Returns:
        What `result_fields` would give; as there, without prices.

    Raises:
        ValueError: the row does not reach so far, or its beginning is no training of its own.
    """
    if not row["epochs"] or not 1 <= epochs <= row["epochs"]:
        raise ValueError(f"a row of {row['epochs']} epochs has no beginning of {epochs}; give 1 to {row['epochs']}")
    if prefix_key(design) is None:
        raise ValueError("the beginning of this training is no training of its own; simulate it")
    if epochs < row["epochs"] and row["layers"] and not row["trail"]:  # of an earlier version of the schema
        raise ValueError("the row does not say what its layers were by epoch; simulate the shorter training")
    samples = row["train_samples"] // row["epochs"] * epochs
    layers, curve = layers_at(row, epochs), [point for point in _curve(row) if point.epoch <= epochs]
    outcome = Outcome(
        metrics={**learned(curve[-1]), **counted(layers), **endured(design, curve, samples // epochs)},
        train_samples=samples,
        simulated_time_s=None if design.clock is None else samples * design.clock.sample_time_s,
        layers=tuple(layers),
        curve=tuple(curve),
        data_checksum=row["data_checksum"],
        epochs=epochs,
        trail=_trail_until(row, epochs),
    )
    return result_fields(outcome)


def layers_at(row: Mapping[str, Any], epoch: int) -> list[LayerUsage]:
    """Return what the layers of a row were after an epoch, before any deployment."""
    return [_at(_usage(layer), row["trail"], epoch) for layer in row["layers"]]


def _usage(layer: Mapping[str, Any]) -> LayerUsage:
    """Return a layer of a row as the account that it was made of."""
    events = {**{name: layer[name] for name in EVENT_COLUMNS}, **layer["events"]}
    wear = {**{name.removeprefix(WEAR): layer[name] for name in WEAR_COLUMNS}, **layer["wear"]}
    return LayerUsage(**{name: layer[name] for name in ABOUT_LAYER}, events=events, wear=wear)


def _at(layer: LayerUsage, trail: Mapping[str, Sequence[float]], epoch: int) -> LayerUsage:
    """Return the account of a layer at an epoch, from that of the end."""

    def then(name: str, end: Any) -> Any:
        values = trail.get(f"{layer.layer}.{name}")
        return end if values is None else type(end)(value_at(values, epoch, end))

    own = {field.name: then(field.name, getattr(layer, field.name)) for field in fields(LayerUsage)}
    own["events"] = {
        name: then(name if name in EVENT_COLUMNS else f"events.{name}", end) for name, end in layer.events.items()
    }
    own["wear"] = {
        name: then(f"{WEAR}{name}" if f"{WEAR}{name}" in WEAR_COLUMNS else f"wear.{name}", end)
        for name, end in layer.wear.items()
    }
    return replace(layer, **own)


def _curve(row: Mapping[str, Any]) -> list[Epoch]:
    points: dict[int, dict[str, float]] = {}
    for entry in row["curve"]:
        points.setdefault(entry["epoch"], {})[entry["name"]] = entry["value"]
    return [Epoch(epoch, own.pop("loss"), own) for epoch, own in sorted(points.items())]


def _trail_until(row: Mapping[str, Any], epochs: int) -> dict[str, list[float]]:
    """Return the trail of the first epochs."""
    values = {name: [value_at(own, epoch, 0.0) for epoch in range(1, epochs + 1)] for name, own in row["trail"].items()}
    return shortened(values, {name: own[-1] for name, own in values.items()})
