"""The heart: a pure function from a design and a seed to an outcome.

No files, no processes, no clock and no global state. Distribution, storage and search are shells around it, and every
hard question can be asked by calling it in a debugger.
"""

import numpy as np
import torch

from dse.compiled import ordered_sum
from dse.crossbar.events import EVENT_NAMES
from dse.design.deployed import deploy_perceptron
from dse.design.design import Design
from dse.design.outcome import QUANTILES, WEAR_NAMES, EpochOutcome, Failure, LayerOutcome, Outcome
from dse.errors import DivergedError
from dse.training.datasets import Dataset
from dse.training.layers import CrossbarLayer, FloatLayer, Hardware, Layer
from dse.training.loop import Epoch, train


def evaluate(design: Design, seed: int, data: Dataset) -> Outcome | Failure:
    """Train the network of a design, deploy it where the design says so, and report what happened.

    Args:
        design: the complete design.
        seed: seed of every random stream of the trial.
        data: the data set of `design.workload`, as `dse.training.datasets.load` gives it.

    Returns:
        The outcome, the same to the last bit for the same arguments (CPU, one thread), or the reason why there is none.
    """
    hardware = hardware_of(design)
    sizes = design.network.layer_sizes(data.train.images.shape[1], data.classes)
    layers: list[Layer] = [
        FloatLayer(rows, cols, design.array, seed=seed, layer=number)
        if hardware is None
        else CrossbarLayer(rows, cols, hardware, seed=seed, layer=number)
        for number, (rows, cols) in enumerate(sizes)
    ]
    image_time_s = 0.0 if design.clock is None else design.clock.image_time_s
    try:
        curve = train(
            layers,
            data,
            design.training,
            image_time_s=image_time_s,
            drift_every=1 if design.clock is None else design.clock.drift_every_images,
            maintain_every=0 if design.refresh is None else design.refresh.every_images,
            calibrate_every=_calibrate_every(design),
            seed=seed,
        )
    except DivergedError as error:
        return Failure("diverged", str(error))
    train_images = design.training.epochs * len(data.train)
    reports = tuple(_report(number, layer) for number, layer in enumerate(layers))
    outcome = Outcome(
        metrics=_metrics(curve[-1], reports),
        train_images=train_images,
        simulated_time_s=None if hardware is None else train_images * image_time_s,
        layers=reports,
        curve=tuple(EpochOutcome(p.epoch, p.loss, p.validation_accuracy, p.accuracy) for p in curve),
        data_checksum=data.checksum,
    )
    if design.deployment is None:
        return outcome
    return deploy_perceptron(
        outcome, layers, data, design.deployment, seed=seed, trained_until_s=train_images * image_time_s
    )


def _calibrate_every(design: Design) -> int:
    adc = design.adc
    return 0 if adc is None or adc.ranging == "fixed" else adc.calibrate_every_images


def hardware_of(design: Design) -> Hardware | None:
    """Return the hardware of a design, or None for digital training."""
    if (
        design.device is None
        or design.dac is None
        or design.adc is None
        or design.accumulator is None
        or design.refresh is None
    ):
        return None
    return Hardware(design.device, design.array, design.dac, design.adc, design.accumulator, design.refresh)


def _metrics(last: Epoch, layers: tuple[LayerOutcome, ...]) -> dict[str, float | int | None]:
    return {
        "accuracy": last.accuracy,
        "validation_accuracy": last.validation_accuracy,
        "loss": last.loss,
        "worst_writes": int(max(layer.wear["writes_max"] for layer in layers)),
        "worst_flips": int(max(layer.wear["flip_max"] for layer in layers)),
        "set_pulses": int(sum(e.events["set_pulses_update"] + e.events["set_pulses_refresh"] for e in layers)),
        "reset_pulses": int(sum(layer.events["resets"] for layer in layers)),
        "weights": sum(layer.rows * layer.cols for layer in layers),
        "cells": sum(layer.cells for layer in layers),
    }


def _report(number: int, layer: Layer) -> LayerOutcome:
    events = {name: getattr(layer.events, name) for name in EVENT_NAMES}
    if not isinstance(layer, CrossbarLayer):
        wear = dict.fromkeys(WEAR_NAMES, 0.0)
        return LayerOutcome(layer=number, rows=layer.rows, cols=layer.cols, cells=0, events=events, wear=wear)
    cells, adc, dac = layer.array.cells, layer.array.adc, layer.array.dac
    surveys = layer.conductance_surveys_us
    chi = layer.accumulator.spec
    forward_range, backward_range = layer.array.ranges
    return LayerOutcome(
        layer=number,
        rows=layer.rows,
        cols=layer.cols,
        cells=cells.g_us.numel(),
        dac_bits=_bits(dac.bits),
        dac_backward_bits=_bits(dac.bits_backward),
        adc_bits=_bits(adc.bits),
        adc_backward_bits=_bits(adc.bits_backward),
        adc_range=None if adc.bits == "ideal" else forward_range,
        adc_backward_range=None if adc.bits_backward == "ideal" else backward_range,
        chi_bits=_bits(chi.bits),
        chi_storage=chi.storage,
        operand_bits=_bits(chi.operand_bits),
        mean_conductance_us=ordered_sum(np.array(surveys)) / len(surveys),
        events=events,
        wear=_wear(cells.set_pulses, cells.reset_pulses, layer.accumulator.flips),
    )


def _bits(bits: int | str) -> int | None:
    return bits if isinstance(bits, int) else None


def _wear(set_pulses: torch.Tensor, reset_pulses: torch.Tensor, flips: torch.Tensor | None) -> dict[str, float]:
    """Return maximum and quantiles of the pulses of single cells; quantiles are values that occur ("lower")."""
    wear: dict[str, float] = {}
    flips = torch.zeros(1) if flips is None else flips
    for kind, counter in (("set", set_pulses), ("reset", reset_pulses), ("flip", flips)):
        ordered = counter.reshape(-1).sort().values
        for q in QUANTILES:
            wear[f"{kind}_q{str(q)[2:].ljust(2, '0')}"] = float(ordered[int(q * (len(ordered) - 1))])
        wear[f"{kind}_max"] = float(ordered[-1])
    wear["writes_max"] = float((set_pulses + reset_pulses).max())
    return wear
