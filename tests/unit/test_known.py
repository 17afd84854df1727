"""What is said of a design before it is simulated is what its simulation comes to, to the last bit."""

import subprocess
import sys

import pytest

from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import METRICS
from dse.networks import convolutional
from dse.networks.cnn.spec import Cnn
from dse.networks.perceptron.spec import Perceptron
from dse.pricing.card import read_cost_card
from dse.pricing.known import known, known_of
from dse.pricing.price import COLUMNS
from dse.pricing.wear import lifetimes
from dse.results.rows import result_fields
from dse.search.criteria import prices_of
from tests.studies import ROOT

CARD = read_cost_card("bottom_up_28nm")
NAMES = list(dict.fromkeys([*METRICS, *COLUMNS]))
SIZES = {"weights", "cells", "inference_bits", "area_m2", "crossbar_m2", "model_size_bits", "latency_per_inference_s"}
LEARNED = {"energy_per_sample_j", "worst_writes", "set_pulses", "latency_per_sample_s", "energy_per_inference_j"}
BASE = {"workload.images": 50, "training.epochs": 2, "training.batch_size": 20}
CNN = {"network.name": "cnn", "network.width": 0.25}
SIZED = {"array.tile_rows": 20, "array.tile_columns": 6, "array.unused_lines": "present"}


def simulated(design):
    """Return all quantities of a design by simulating it, None where it has none."""
    row = result_fields(evaluate(design, 0, design.workload.load()))
    assert row["state"] == "complete", row["failure"]
    metrics = {name: row.get(name, row["metrics"].get(name)) for name in METRICS}
    return {**metrics, **prices_of([row], CARD, list(COLUMNS))[0]}


CASES = [
    ({}, SIZES, LEARNED),
    (
        {
            "network.hidden": [7, 5],
            "array.pairs_per_weight": 2,
            "accumulator.bits": 8,
            "accumulator.storage": "pcm",
            "accumulator.operand_bits": 8,
            "dac.bits": 6,
            "dac.backward_bits": 5,
        },
        SIZES,
        {*LEARNED, "worst_flips", "update_chi_memory_j"},
    ),
    ({"refresh.every_samples": 0, "adc.bits": 7}, {*SIZES, "reset_pulses_j"}, {*LEARNED, "refresh_array_j"}),
    ({"device.card": "pcm_aihwkit"}, SIZES, LEARNED),
    ({"device.card": "ideal_linear", **CNN}, SIZES, LEARNED),
    ({**CNN, **SIZED}, SIZES, LEARNED),
    ({**CNN, **SIZED, "array.packing": "shared"}, {*SIZES, "interval_per_inference_s"}, LEARNED),
    (
        {"architecture": "float", "training.learning_rate": 0.5},
        {*SIZES, "energy_per_inference_j", "worst_writes", "set_pulses"},
        {"energy_per_sample_j", "latency_per_sample_s"},  # updates leave out inputs of zero
    ),
    ({"architecture": "float", **CNN}, {*SIZES, *LEARNED}, {"loss", "accuracy", "validation_accuracy"}),
    ({"architecture": "float", **CNN, "training.momentum": 0.0}, {*SIZES, *LEARNED}, {"loss"}),
    (
        {
            **CNN,
            "array.tile_rows": 16,
            "array.tile_columns": 8,
            "accumulator.inference": "cells_and_accumulator",
            "accumulator.storage": "dram",
            "accumulator.operand_bits": 8,
            "adc.backward_bits": 10,
        },
        {*SIZES, "outer_products_j", "backward_per_sample_s", "partial_sums_j"},
        LEARNED,
    ),
    ({**CNN, "array.output_scale": "column"}, {*SIZES, "latency_per_inference_s", "backward_per_sample_s"}, LEARNED),
    ({**CNN, "deployment.times_s": [1.0]}, SIZES, {*LEARNED, "deployment_j", "deployment_per_sample_s"}),
    (
        {"architecture": "float", **CNN, "deployment.times_s": [1.0]},
        SIZES,
        {"energy_per_sample_j", "latency_per_sample_s", "deployment_j"},
    ),
    ({"network.name": "resnet8", "network.width": 0.3, "training.epochs": 1}, SIZES, LEARNED),
    ({"network.name": "cnn9", "network.width": 0.05, "training.epochs": 1, "training.dropout": 0.2}, SIZES, LEARNED),
]


@pytest.mark.one_in(4)
@pytest.mark.parametrize(("settings", "claimed", "not_claimed"), CASES, ids=[str(n) for n in range(len(CASES))])
def test_what_is_known_is_what_a_simulation_comes_to(settings, claimed, not_claimed):
    design = compose({**BASE, **settings})
    found, truth = known(design, CARD, NAMES), simulated(design)
    assert found == {name: truth[name] for name in found}
    assert claimed <= found.keys()
    assert not not_claimed & found.keys()
    assert not lifetimes().keys() & found.keys()


@pytest.mark.parametrize("bits", ["ideal", 12])
def test_what_has_no_price_is_not_claimed(bits):
    design = compose({**BASE, "adc.bits": bits})
    found = known(design, CARD.with_values({"adc_bits_max": 10.0}, "short"), ["area_m2", "latency_per_inference_s"])
    assert found == {}


@pytest.mark.parametrize(
    "settings",
    [
        {"network.name": "lstm", "workload.dataset": "ptb", "training.batch_size": 4},
        {"network.name": "gan", "workload.dataset": "mnist"},
    ],
)
def test_networks_whose_products_nobody_looked_at_claim_nothing(settings):
    assert known(compose(settings), CARD, NAMES) == {}


@pytest.mark.slow
def test_designs_that_are_priced_together_are_those_that_are_priced_alone():
    designs = [compose({**BASE, **settings}) for settings, *_ in CASES[:8]]
    assert known_of(designs, CARD, NAMES) == [known(design, CARD, NAMES) for design in designs]


def test_only_what_is_asked_for_is_said():
    assert known(compose(BASE), CARD, ["cells"]) == {"cells": 2 * (65 * 64 + 65 * 10)}
    assert known(compose(BASE), CARD, ["loss", "accuracy"]) == {}


def test_the_network_of_a_plug_in_claims_nothing_unless_it_says_so(monkeypatch):
    monkeypatch.setattr(Perceptron, "products", lambda *_: None)
    assert known(compose(BASE), CARD, NAMES) == {}


@pytest.mark.parametrize("network", ["cnn", "cnn9", "resnet8"])
def test_widths_of_equal_layers_are_looked_through_once(network, monkeypatch):
    monkeypatch.setattr(convolutional, "_seen", {})
    designs = [compose({"network.name": network, "network.width": width}) for width in (0.3, 0.3001, 0.4)]
    found = [design.network.products(design.workload.info, design.training) for design in designs]
    assert found[0] is found[1]
    assert found[0] != found[2]
    assert len(convolutional._seen) == 2


def test_a_convolutional_network_of_a_plug_in_is_not_known_unless_it_names_its_units(monkeypatch):
    monkeypatch.setattr(Cnn, "units", ())
    assert known(compose({**BASE, **CNN}), CARD, NAMES) == {}


@pytest.mark.slow
def test_a_perceptron_is_known_without_torch():
    code = """
import sys
from dse.designs.design import compose
from dse.pricing.card import read_cost_card
from dse.pricing.known import known
assert known(compose({}), read_cost_card("bottom_up_28nm"), ["area_m2", "cells"]).keys() == {"area_m2", "cells"}
assert "torch" not in sys.modules
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert said.returncode == 0, said.stderr
