"""The heart: a pure function from a design and a seed to an outcome.

No files, no processes, no clock and no global state. Distribution, storage and search are shells around it, and every
hard question can be asked by calling it in a debugger.
"""

import torch

from dse.design.design import Design
from dse.design.generative import Generation
from dse.design.hardware import calibrate_every, descent_of, hardware_of, image_time_s, placed
from dse.design.outcome import EpochOutcome, Failure, LayerOutcome, Outcome
from dse.design.recurrent import learn_characters
from dse.design.report import Passes, metrics_of, report, report_layers
from dse.errors import DivergedError
from dse.training.datasets import Dataset
from dse.training.deep import train_deep, vectors_of
from dse.training.layers import CrossbarLayer, FloatLayer, Layer
from dse.training.loop import Epoch, train
from dse.training.networks import network_of
from dse.training.spec import CONVOLUTIONAL_NETWORKS
from dse.training.text import Text


def evaluate(design: Design, seed: int, data: Dataset | Text, device: str = "cpu") -> Outcome | Failure:
    """Train the network of a design and report what happened.

    Args:
        design: the complete design.
        seed: seed of every random stream of the trial.
        data: the data of `design.workload`, as `dse.training.datasets.load_workload` gives them.
        device: where torch computes products of deep networks, such as "cuda".

    Returns:
        The outcome, the same to the last bit for the same arguments (CPU, one thread), or the reason why there is none.
    """
    try:
        curve, layers, samples = _trained(design, seed, data, device)
    except DivergedError as error:
        return Failure("diverged", str(error))
    return Outcome(
        metrics=metrics_of(curve[-1], layers),
        train_images=samples,
        simulated_time_s=None if design.clock is None else samples * design.clock.image_time_s,
        layers=tuple(layers),
        curve=tuple(EpochOutcome(**vars(point)) for point in curve),
        data_checksum=data.checksum,
    )


def _trained(
    design: Design, seed: int, data: Dataset | Text, device: str
) -> tuple[list[Epoch], list[LayerOutcome], int]:
    """Return the learning curve, the layers and the samples seen, repeats counted."""
    name = design.network.name
    if isinstance(data, Text):
        return learn_characters(design, seed, data, device)
    samples = design.training.epochs * len(data.train)
    if name == "gan":
        generation = Generation(design, seed, data, device)
        return generation.learn(), generation.layers(), samples
    return *(_deep if name in CONVOLUTIONAL_NETWORKS else _perceptron)(design, seed, data, device), samples


def _perceptron(design: Design, seed: int, data: Dataset, device: str) -> tuple[list[Epoch], list[LayerOutcome]]:  # noqa: ARG001  its compiled code is for the CPU
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
        image_time_s=image_time_s(design),
        drift_every=1 if design.clock is None else design.clock.drift_every_images,
        maintain_every=0 if design.refresh is None else design.refresh.every_images,
        calibrate_every=calibrate_every(design),
        seed=seed,
    )
    return curve, [report(number, layer) for number, layer in enumerate(layers)]


def _deep(design: Design, seed: int, data: Dataset, device: str) -> tuple[list[Epoch], list[LayerOutcome]]:
    shape = data.shape or (1, 1, data.train.images.shape[1])
    network = network_on_crossbars(design, shape[0], data.classes, seed=seed, size=shape[1:]).to(device)
    descent = descent_of(design, network, seed=seed)
    curve = train_deep(
        network,
        descent,
        data,
        design.training,
        seed=seed,
        image_time_s=image_time_s(design),
        calibrate_every=calibrate_every(design),
        device=device,
    )
    images, updates = design.training.epochs * len(data.train), design.training.updates_of(len(data.train))
    passes = {
        # No error passes through the first layer.
        layer: Passes(images * n, images * n if layer.number else 0, images * n, images * n * layer.cols)
        for layer, n in vectors_of(network, shape, device).items()
    }
    return curve, report_layers(descent, passes, updates, design.accumulator)


def network_on_crossbars(
    design: Design, channels: int, classes: int, *, seed: int, size: tuple[int, int] = (32, 32)
) -> torch.nn.Module:
    """Return the network of convolutions of a design with initial weights, its layers on ideal or real crossbars."""
    network = network_of(design.network, channels, classes, seed=seed, size=size, dropout=design.training.dropout)
    return placed(design, network, seed=seed)
