"""What a simulation gives back, and the one table that says what is measured and which way is up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from dse.deployment.evaluation import Evaluation
from dse.metric import Metric
from dse.networks import NETWORKS
from dse.tasks import TASKS
from dse.tasks.curve import Epoch

QUANTILES: tuple[float, ...] = (0.5, 0.9, 0.99, 0.999)
"""Quantiles of the wear over the cells of a layer that are kept beside the maximum."""


def task_of(network: str) -> str | None:
    """Return the name of the task of a network by its name; None where there is no such network."""
    return next((own.task.name for own in NETWORKS if own.model_fields["name"].default == network), None)


COMMON_METRICS: dict[str, Metric] = {
    "loss": Metric(
        "minimise",
        "1",
        "mean loss over the training images in the last epoch: half the squared error, the cross-entropy in nats, or "
        "what a discriminator minimises",
    ),
    "energy_per_sample_j": Metric("minimise", "J", "energy of the training, per training image seen", priced=True),
    "worst_writes": Metric("minimise", "pulses", "SET and RESET pulses of the most written cell over the training"),
    "worst_flips": Metric(
        "minimise", "writes", "writes of the most written binary cell of the accumulators; 0 where these do not wear"
    ),
    "set_pulses": Metric("minimise", "pulses", "SET pulses of all cells over the training"),
    "reset_pulses": Metric("minimise", "pulses", "RESET pulses of all cells over the training"),
    "weights": Metric("minimise", "1", "weights in matrices of the network, bias rows included"),
    "cells": Metric("minimise", "1", "PCM cells of the network; 0 for a digital one"),
    "inference_bits": Metric("minimise", "bits", "size of the model: bits of all weights that inference reads"),
}
"""Metrics of every trial."""

TASK_METRICS: dict[str, Metric] = {
    name: replace(metric, task=task.name) for task in TASKS for name, metric in task.metrics.items()
}
"""Metrics that a task has of its own."""

METRICS: dict[str, Metric] = {
    **{name: metric for name, metric in TASK_METRICS.items() if not metric.deployed},
    **COMMON_METRICS,
    **{name: metric for name, metric in TASK_METRICS.items() if metric.deployed},
}
"""Every metric that can be an objective."""


@dataclass(frozen=True)
class LayerOutcome:
    """What happened in one layer over the training.

    Attributes:
        layer: number, 0 at the input.
        rows: inputs of the array, bias row included where there is one.
        cols: outputs.
        cells: PCM cells; 0 for a digital layer.
        inference_bits: bits of all weights that inference reads; see `dse.design.report.bits_of_weight`.
        events: counts by name; see `dse.crossbar.events`.
        wear: "set_max", "set_q50", ..., "reset_max", ..., "writes_max": pulses of single cells; "flip_max", ...: writes
            of single binary cells of the accumulators.
        dac_bits: resolution of the forward input converters; None where ideal or digital.
        dac_backward_bits: resolution of the backward input converters; None where ideal or digital.
        adc_bits: resolution of the forward output converters; None where ideal or digital.
        adc_backward_bits: resolution of the backward output converters; None where ideal or digital.
        adc_range: range of the forward output converters at the end; None where ideal or digital.
        adc_backward_range: range of the backward output converters at the end; None where ideal or digital.
        chi_bits: length of an accumulator word; None for a 32-bit float and for a digital layer.
        chi_storage: what holds the accumulators; None for a digital layer.
        operand_bits: resolution of the factors of an update; None for 32-bit floats and for a digital layer.
        mean_conductance_us: mean conductance of a cell over the ends of the epochs, uS; None for a digital layer.
        deployed_cells: PCM cells that hold the layer in a deployment; 0 without one.
        deployed_dac_bits: resolution of its input converters; None where ideal or without a deployment.
        deployed_adc_bits: resolution of its output converters; likewise.
        deployed_conductance_us: mean conductance of its cells at time 0, uS; None without a deployment.
        bias_rows: rows that hold biases, through which no error passes back: 1 in a perceptron, else 0.
        places: products of a sample with the weights in one pass: windows of a convolution, else 1. A digital layer
            reads its weights once for all of them.
        infers: whether inference uses the layer; not a discriminator.
        row_tiles: arrays along the inputs; 1 for a digital layer.
        column_tiles: arrays along the outputs; 1 for a digital layer.
    """

    layer: int
    rows: int
    cols: int
    cells: int
    inference_bits: float
    events: Mapping[str, int | float]
    wear: Mapping[str, float]
    dac_bits: int | None = None
    dac_backward_bits: int | None = None
    adc_bits: int | None = None
    adc_backward_bits: int | None = None
    adc_range: float | None = None
    adc_backward_range: float | None = None
    chi_bits: int | None = None
    chi_storage: str | None = None
    operand_bits: int | None = None
    mean_conductance_us: float | None = None
    deployed_cells: int = 0
    deployed_dac_bits: int | None = None
    deployed_adc_bits: int | None = None
    deployed_conductance_us: float | None = None
    bias_rows: int = 0
    places: int = 1
    infers: bool = True
    row_tiles: int = 1
    column_tiles: int = 1


@dataclass(frozen=True)
class Outcome:
    """A finished simulation.

    Attributes:
        metrics: the metrics of `METRICS` that need no price.
        train_samples: training images, or characters of text, seen, repeats counted.
        simulated_time_s: time that passed in the simulation, s; None for a digital design.
        layers: one entry a layer.
        curve: one entry an epoch.
        data_checksum: SHA-256 of the data set.
        deployments: one entry for each compensation and time of the deployment; empty without one.
    """

    metrics: Mapping[str, float | int | None]
    train_samples: int
    simulated_time_s: float | None
    layers: tuple[LayerOutcome, ...]
    curve: tuple[Epoch, ...]
    data_checksum: str
    deployments: tuple[Evaluation, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A simulation that came to no result, which is a result too.

    Attributes:
        kind: "diverged" for numbers out of range, "invalid" for settings that contradict each other, "crashed" for a
            process that died, "memory" for one that ran out of memory, "timeout" for one that exceeded its time limit.
        reason: one line for the user.
    """

    kind: Literal["diverged", "invalid", "crashed", "memory", "timeout"]
    reason: str


WEAR_NAMES: tuple[str, ...] = (
    *(f"{kind}_{q}" for kind in ("set", "reset", "flip") for q in ("q50", "q90", "q99", "q999", "max")),
    "writes_max",
)
"""Columns of wear in the table of layers."""
