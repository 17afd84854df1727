"""The heart: a pure function from a design and a seed to an outcome.

No files, no processes, no clock and no global state. Distribution, storage and search are shells around it, and every
hard question can be asked by calling it in a debugger.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from dse.data.datasets import Dataset
from dse.data.text import Text
from dse.deployment.spec import DeploymentSpec
from dse.design.deployed import Network, deployed_module, deployed_perceptron, with_deployment
from dse.design.design import Design
from dse.design.generative import Generation
from dse.design.hardware import calibrate_every, descent_of, hardware_of, placed, sample_time_s
from dse.design.outcome import Failure, LayerOutcome, Outcome
from dse.design.recurrent import learn_characters
from dse.design.report import Passes, metrics_of, report, report_layers
from dse.errors import DivergedError
from dse.networks.convolutional import network_of
from dse.tasks.curve import Epoch
from dse.tasks.deep import train_deep, vectors_of
from dse.tasks.loop import train
from dse.training.spec import CONVOLUTIONAL_NETWORKS
from dse.updates.descent import CrossbarDescent
from dse.updates.layers import CrossbarLayer, FloatLayer, Layer


def evaluate(design: Design, seed: int, data: Dataset | Text, device: str = "cpu") -> Outcome | Failure:
    """Train the network of a design, deploy it where the design says so, and report what happened.

    Args:
        design: the complete design.
        seed: seed of every random stream of the trial.
        data: the data of `design.workload`, as `dse.data.datasets.load_workload` gives them.
        device: where torch computes products of deep networks, such as "cuda".

    Returns:
        The outcome, the same to the last bit for the same arguments (CPU, one thread), or the reason why there is none.
    """
    try:
        trained = _trained(design, seed, data, device)
    except DivergedError as error:
        return Failure("diverged", str(error))
    time_s = None if design.clock is None else trained.samples * design.clock.sample_time_s
    outcome = Outcome(
        metrics=metrics_of(trained.curve[-1], trained.layers),
        train_samples=trained.samples,
        simulated_time_s=time_s,
        layers=tuple(trained.layers),
        curve=tuple(trained.curve),
        data_checksum=data.checksum,
    )
    if design.deployment is None or trained.deployed is None or isinstance(data, Text):
        return outcome
    return with_deployment(outcome, trained.deployed(design.deployment, time_s or 0.0), data, design.deployment)


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes:
        curve: the learning curve.
        layers: what happened in its layers.
        samples: images or characters seen, repeats counted.
        deployed: (deployment, time at which the training ended on its clock in s) -> the network on cells that age;
            None for one that is not deployed.
    """

    curve: list[Epoch]
    layers: list[LayerOutcome]
    samples: int
    deployed: Callable[[DeploymentSpec, float], Network] | None = None


def _trained(design: Design, seed: int, data: Dataset | Text, device: str) -> Trained:
    name = design.network.name
    if isinstance(data, Text):
        return Trained(*learn_characters(design, seed, data, device))
    if name == "gan":
        generation = Generation(design, seed, data, device)
        return Trained(generation.learn(), generation.layers(), design.training.epochs * len(data.train))
    return (_deep if name in CONVOLUTIONAL_NETWORKS else _perceptron)(design, seed, data, device)


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
        sample_time_s=sample_time_s(design),
        drift_every=1 if design.clock is None else design.clock.drift_every_samples,
        maintain_every=0 if design.refresh is None else design.refresh.every_samples,
        calibrate_every=calibrate_every(design),
        seed=seed,
    )
    return Trained(
        curve=curve,
        layers=[report(number, layer) for number, layer in enumerate(layers)],
        samples=design.training.epochs * len(data.train),
        deployed=lambda spec, ended_s: deployed_perceptron(layers, data, spec, seed=seed, trained_until_s=ended_s),
    )


def _deep(design: Design, seed: int, data: Dataset, device: str) -> Trained:
    shape = data.shape or (1, 1, data.train.images.shape[1])
    network = network_on_crossbars(design, shape[0], data.classes, seed=seed, size=shape[1:]).to(device)
    descent = descent_of(design, network, seed=seed)
    curve = train_deep(
        network,
        descent,
        data,
        design.training,
        seed=seed,
        sample_time_s=sample_time_s(design),
        calibrate_every=calibrate_every(design),
        device=device,
    )
    images, updates = design.training.epochs * len(data.train), design.training.updates_of(len(data.train))
    passes = {
        # No error passes through the first layer.
        layer: Passes(images * n, images * n if layer.number else 0, images * n, images * n * layer.cols, places=n)
        for layer, n in vectors_of(network, shape, device).items()
    }
    chi = design.accumulator
    return Trained(
        curve=curve,
        layers=report_layers(descent, passes, updates, chi),
        samples=images,
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


def network_on_crossbars(
    design: Design, channels: int, classes: int, *, seed: int, size: tuple[int, int] = (32, 32)
) -> torch.nn.Module:
    """Return the network of convolutions of a design with initial weights, its layers on ideal or real crossbars."""
    network = network_of(design.network, channels, classes, seed=seed, size=size, dropout=design.training.dropout)
    return placed(design, network, seed=seed)
