"""What is known before a simulation of designs with digital factors of outputs and pairs of unequal significance."""

from typing import Any, cast

import pytest

from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.pricing.card import read_cost_card
from dse.pricing.known import known
from dse.pricing.price import COLUMNS
from dse.results.rows import result_fields
from dse.search.criteria import prices_of

CARD = read_cost_card("bottom_up_28nm")
SIZES = ("weights", "cells", "inference_bits", "area_m2", "latency_per_inference_s", "backward_per_sample_s")
NAMES = [*SIZES, "set_pulses", "energy_per_sample_j", "reset_pulses"]
CNN: dict[str, Any] = {
    "workload.images": 50,
    "training.epochs": 2,
    "training.batch_size": 20,
    "network.name": "cnn",
    "network.width": 0.25,
}
TILES: dict[str, Any] = {"array.tile_rows": 20, "array.tile_columns": 6, "array.output_scale": "tile"}
FIXED: dict[str, Any] = {"array.output_scale": "column", "array.output_scale_kind": "fixed"}
UNEQUAL: dict[str, Any] = {"array.pairs_per_weight": 2, "array.significance.ratio": 4.0}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("settings", [TILES, FIXED, UNEQUAL])
def test_what_is_known_is_what_a_simulation_comes_to(settings: dict[str, Any]) -> None:
    design = compose({**CNN, **settings})
    found = known(design, CARD, NAMES)
    outcome = evaluate(design, 0, cast("Any", design.workload).load())
    assert isinstance(outcome, Outcome)
    row = result_fields(outcome)
    sizes = {name: row.get(name, row["metrics"].get(name)) for name in NAMES}
    truth = {**sizes, **prices_of([row], CARD, list(COLUMNS))[0]}
    assert found == {name: truth[name] for name in found}
    assert set(SIZES) <= found.keys()
    assert "set_pulses" not in found
