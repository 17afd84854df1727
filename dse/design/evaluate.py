"""The heart: a pure function from a design and a seed to an outcome.

No files, no processes, no clock and no global state. Distribution, storage and search are shells around it, and every
hard question can be asked by calling it in a debugger.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from dse.deployment.spec import DeploymentSpec
from dse.design.deployed import Network, deployed_module, deployed_perceptron, with_deployment
from dse.design.design import Design
from dse.design.outcome import EpochOutcome, Failure, LayerOutcome, Outcome
from dse.design.report import count_static, metrics_of, report, report_deep
from dse.errors import DivergedError
from dse.training.analog import Crossbars, on_crossbars
from dse.training.datasets import Dataset
from dse.training.deep import train_deep, vectors_of
from dse.training.descent import CrossbarDescent, DigitalDescent
from dse.training.layers import CrossbarLayer, FloatLayer, Hardware, Layer
from dse.training.loop import Epoch, train
from dse.training.networks import network_of
from dse.training.spec import DEEP_NETWORKS


def evaluate(design: Design, seed: int, data: Dataset, device: str = "cpu") -> Outcome | Failure:
    """Train the network of a design, deploy it where the design says so, and report what happened.

    Args:
        design: the complete design.
        seed: seed of every random stream of the trial.
        data: the data set of `design.workload`, as `dse.training.datasets.load` gives it.
        device: where torch computes products of networks of convolutions, such as "cuda".

    Returns:
        The outcome, the same to the last bit for the same arguments (CPU, one thread), or the reason why there is none.
    """
    try:
        trained = (_deep if design.network.name in DEEP_NETWORKS else _perceptron)(design, seed, data, device)
    except DivergedError as error:
        return Failure("diverged", str(error))
    curve, layers = trained.curve, trained.layers
    train_images = design.training.epochs * len(data.train)
    time_s = None if design.clock is None else train_images * design.clock.image_time_s
    outcome = Outcome(
        metrics=metrics_of(curve[-1], layers),
        train_images=train_images,
        simulated_time_s=time_s,
        layers=tuple(layers),
        curve=tuple(EpochOutcome(p.epoch, p.loss, p.validation_accuracy, p.accuracy) for p in curve),
        data_checksum=data.checksum,
    )
    if design.deployment is None:
        return outcome
    return with_deployment(outcome, trained.deployed(design.deployment, time_s or 0.0), data, design.deployment)


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes:
        curve: the learning curve.
        layers: what happened in its layers.
        deployed: (deployment, time at which the training ended on its clock in s) -> the network on cells that age.
    """

    curve: list[Epoch]
    layers: list[LayerOutcome]
    deployed: Callable[[DeploymentSpec, float], Network]


def _perceptron(design: Design, seed: int, data: Dataset, device: str) -> Trained:  # noqa: ARG001  its compiled code is for the CPU
    hardware = hardware_of(design)
    sizes = design.network.layer_sizes(data.train.images.shape[1], data.classes)
    layers: list[Layer] = [
        FloatLayer(rows, cols, design.array, seed=seed, layer=number)
        if hardware is None
        else CrossbarLayer(rows, cols, hardware, seed=seed, layer=number)
        for number, (rows, cols) in enumerate(sizes)
    ]
    curve = train(
        layers,
        data,
        design.training,
        image_time_s=0.0 if design.clock is None else design.clock.image_time_s,
        drift_every=1 if design.clock is None else design.clock.drift_every_images,
        maintain_every=0 if design.refresh is None else design.refresh.every_images,
        calibrate_every=_calibrate_every(design),
        seed=seed,
    )
    return Trained(
        curve=curve,
        layers=[report(number, layer) for number, layer in enumerate(layers)],
        deployed=lambda spec, ended_s: deployed_perceptron(layers, data, spec, seed=seed, trained_until_s=ended_s),
    )


def _deep(design: Design, seed: int, data: Dataset, device: str) -> Trained:
    channels, height, width = data.shape or (1, 1, data.train.images.shape[1])
    network = network_on_crossbars(design, channels, data.classes, seed=seed).to(device)
    hardware, clock = hardware_of(design), design.clock
    descent: DigitalDescent | CrossbarDescent = (
        DigitalDescent(network, design.training, seed=seed)
        if hardware is None or clock is None
        else CrossbarDescent(
            network,
            hardware,
            conductance_per_std_us=design.array.conductance_per_std_us,
            with_accumulator=hardware.accumulator.inference == "cells_and_accumulator",
            seed=seed,
            image_time_s=clock.image_time_s,
            drift_every=clock.drift_every_images,
        )
    )
    curve = train_deep(
        network,
        descent,
        data,
        design.training,
        seed=seed,
        image_time_s=0.0 if clock is None else clock.image_time_s,
        calibrate_every=_calibrate_every(design),
        device=device,
    )
    vectors = vectors_of(network, (channels, height, width), device)
    images, updates = design.training.epochs * len(data.train), design.training.updates_of(len(data.train))
    pairs = descent.pairs if isinstance(descent, CrossbarDescent) else [None] * len(vectors)
    for layer, pair in zip(vectors, pairs, strict=True):
        count_static(layer, vectors[layer], images=images, updates=updates, digital=pair is None)
    chi = design.accumulator
    return Trained(
        curve=curve,
        layers=[report_deep(layer, pair, chi) for layer, pair in zip(vectors, pairs, strict=True)],
        deployed=lambda spec, ended_s: deployed_module(
            network,
            [pair.layer for pair in descent.pairs] if isinstance(descent, CrossbarDescent) else None,
            data,
            spec,
            seed=seed,
            trained_until_s=ended_s,
            with_accumulator=chi is not None and chi.inference == "cells_and_accumulator",
            device=device,
        ),
    )


def network_on_crossbars(design: Design, channels: int, classes: int, *, seed: int) -> torch.nn.Module:
    """Return the network of convolutions of a design with initial weights, its layers on ideal or real crossbars."""
    array, crossbars = design.array, Crossbars()
    if design.dac is not None and design.adc is not None and design.accumulator is not None:
        crossbars = Crossbars(
            dac=design.dac,
            adc=design.adc,
            tile_rows=None if array.tile_rows == "whole" else array.tile_rows,
            tile_columns=None if array.tile_columns == "whole" else array.tile_columns,
            operand_bits=design.accumulator.operand_bits,
            read_noise_per=array.read_noise_per,
        )
    return on_crossbars(network_of(design.network, channels, classes, seed=seed), crossbars, seed=seed)


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
