"""Where cells and weights stand, from the definition; runs whose cells rest are told; older rows replay."""

from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest
import torch

from dse.analysis.tables.resting import resting, warning
from dse.analysis.tables.tables import Tables
from dse.crossbar.events import Events
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.hardware import hardware_of
from dse.designs.outcome import Outcome
from dse.search.replay import as_counted, is_measured_since
from dse.updates.layers import CrossbarLayer
from dse.updates.standing import size_of

NAMES = {"never_pulsed", "above_threshold", "at_window_end", "weight_steps"}


def test_shares_are_those_of_the_definition() -> None:
    hardware = hardware_of(
        compose({"device.write_noise_scale": 0.0, "device.g_max_us": 10.0, "array.initial_mean_us": 1.0})
    )
    assert hardware is not None
    layer = CrossbarLayer(3, 2, hardware, seed=1, layer=0)
    layer.array.start_from(torch.zeros(3, 2), 1.0)
    assert layer.standing() == {"never_pulsed": 1.0, "above_threshold": 0.0, "at_window_end": 0.0, "weight_steps": 0.0}
    pulses = torch.zeros(3, 2, dtype=torch.int64)
    pulses[0, 0], pulses[1, 1] = 1, -200
    layer.array.program(pulses, 0.0, Events())
    g = layer.array.cells.conductance_us(0.0).reshape(2, 6)
    steps = (float((g[0] - g[1]).square().sum()) / 6) ** 0.5 / hardware.cell.granularity_us
    found = layer.standing()
    assert found.pop("weight_steps") == pytest.approx(steps, rel=1e-6)
    assert found == {"never_pulsed": 10 / 12, "above_threshold": 1 / 12, "at_window_end": 1 / 12}


def test_digital_weights_are_counted_in_deviations_of_the_initial_ones() -> None:
    weight = torch.tensor([[1.0, -9.0], [20.0, 30.0]])
    found = size_of(weight, 1.0)
    shares = {name: found[f"weights_beyond_{name}"] for name in (8, 16, 24)}
    assert shares == {8: 0.75, 16: 0.5, 24: 0.25}
    assert found["weight_rms"] == pytest.approx(((1 + 81 + 400 + 900) / 4) ** 0.5)
    assert size_of(weight, 0.0) == {}


@pytest.mark.parametrize("rule", ["mixed_precision", "float"])
def test_a_training_says_where_it_stands_after_each_epoch(rule: str) -> None:
    settings: dict[str, Any] = {
        "architecture": rule,
        "workload.dataset": "digits",
        "workload.images": 60,
        "network.name": "cnn",
        "network.width": 0.25,
        "training.epochs": 2,
        "training.batch_size": 20,
    }
    design = compose(settings)
    outcome = evaluate(design, 1, design.workload.load())
    assert isinstance(outcome, Outcome)
    name = "never_pulsed" if rule == "mixed_precision" else "weight_rms"
    for layer in outcome.layers:
        assert layer.wear[name] > 0.0
        assert (set(layer.wear) >= NAMES) == (rule == "mixed_precision")
    grown = [outcome.trail.get(f"{layer.layer}.wear.{name}") for layer in outcome.layers]
    assert any(values is not None and len(values) == 2 for values in grown)


def tables(shares: list[float | None]) -> Tables:
    layers = {"trial": [0] * len(shares), "cells": [8] * len(shares), "wear_never_pulsed": shares}
    return cast(
        "Tables", SimpleNamespace(layers=pl.DataFrame(layers, schema_overrides={"wear_never_pulsed": pl.Float64}))
    )


@pytest.mark.parametrize(
    ("shares", "found"), [([0.9, 0.8, 0.2], [0]), ([0.9, 0.5, 0.2], []), ([None, None], []), ([0.5, 0.5], [])]
)
def test_a_run_whose_cells_do_not_learn_is_told(shares: list[float | None], found: list[int]) -> None:
    assert resting(tables(shares)) == found
    assert ("do not learn in 1 trial, such as trial 0" in warning(tables(shares))) == bool(found)


def test_a_replay_passes_over_what_is_measured_since_and_nothing_else() -> None:
    stored = {"layers[0].rows": 3, "layers[0].wear_set_max": 1.0, "loss": 0.1}
    assert is_measured_since("layers[0].wear_never_pulsed", stored)
    assert is_measured_since("trail.0.wear.never_pulsed[1]", stored)
    for field in ("layers[0].wear_set_max", "layers[1].wear_never_pulsed", "trail.0.wear_set_max[0]", "loss"):
        assert not is_measured_since(field, stored)


def test_a_replay_prices_what_the_version_that_made_a_row_counted() -> None:
    adds = {"partial_adds_deployment": 60.0, "columns_per_adc": 4.0}
    now = {"energy": None, "layers": [{"rows": 3, "events": adds}, {"rows": 2, "events": adds}]}
    row = {"layers": [{"rows": 3, "events": {}}, {"rows": 2, "events": adds}]}
    assert as_counted(row, now)["layers"] == [{"rows": 3, "events": {"columns_per_adc": 4.0}}, now["layers"][1]]
    assert now["layers"][0]["events"] == adds
