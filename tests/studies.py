"""Small studies and settings that many tests share."""

import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

SMALL_STUDY = """
name = "small"
objectives = ["validation_accuracy", "energy_per_sample_j", "worst_writes"]
[workload]
dataset = "digits"
[design]
network.hidden = [16]
training.epochs = 1
[space]
"accumulator.bits" = [4, 8]
"accumulator.epsilon" = { low = 0.5, high = 4.0, log = true }
"training.learning_rate" = { low = 0.5, high = 4.0, log = true }
"adc.bits" = { low = 4, high = 8 }
[controls.digital_float]
architecture = "float"
[search]
sampler = "tpe"
seed = 3
startup = 6
lookahead = 4
[budget]
trials = 14
"""

REPLICATED_STUDY = (
    SMALL_STUDY.replace('"worst_writes"]', '"worst_writes", "loss"]')
    .replace('"accumulator.bits" = [4, 8]', '"accumulator.bits" = [4, 8, "float"]')
    .replace("[search]", "[controls.base]\naccumulator.bits = 8\n[search]")
    .replace("trials = 14", "trials = 20\nseeds = 3")
)


def without_options() -> dict[str, str]:
    """Return the environment without the options of the run of tests: those are none of a run within it."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}


FINE: dict[str, Any] = {
    "device.card": "ideal_linear",
    "device.granularity_us": 1e-4,
    "device.mean_offset_us": 1e-4,
    "device.g_max_us": 1e5,
    "array.conductance_per_std_us": 100.0,
    "array.initial_mean_us": 2000.0,
    "accumulator.bits": "float",
    "refresh.every_samples": 0,
    "dac.bits": "ideal",
    "adc.bits": "ideal",
}
"""Pulses so fine and products so exact that training on cells is digital training, to rounding."""
