"""A design whose network reads text: from its settings to its curve and layers."""

import math

from dse.crossbar.analog import AnalogLayer, analog_layers
from dse.data.text import Text, streams
from dse.design.design import Design
from dse.design.hardware import calibrate_every, descent_of, placed, sample_time_s
from dse.design.outcome import LayerOutcome
from dse.design.report import Passes, report_layers
from dse.networks.recurrent import CharacterLstm, lstm_of
from dse.tasks.characters import train_characters
from dse.tasks.curve import Epoch
from dse.training.spec import TrainingSpec, WorkloadSpec

TANHS_AND_SIGMOIDS = 5
"""Activations of an LSTM unit in a step: four gates and the memory."""


def learn_characters(
    design: Design, seed: int, text: Text, device: str = "cpu"
) -> tuple[list[Epoch], list[LayerOutcome], int]:
    """Train the network of a design on a text.

    Returns:
        The learning curve, the layers, and the characters seen, repeats counted.
    """
    own = text.cut(*_limits(design.workload))
    network = placed(design, lstm_of(design.network, text.symbols, seed=seed), seed=seed)
    network.to(device)
    descent = descent_of(design, network, seed=seed)
    curve = train_characters(
        network,
        descent,
        own,
        design.training,
        sample_time_s=sample_time_s(design),
        calibrate_every=calibrate_every(design),
        device=device,
    )
    steps, count = streams(own.train, design.training.batch_size)[0].shape
    passes = passes_of(network, steps, design.training)
    updates = design.training.epochs * math.ceil(steps / design.training.sequence_length)
    layers = report_layers(descent, passes, updates, design.accumulator)
    return curve, layers, design.training.epochs * steps * count


def passes_of(network: CharacterLstm, steps: int, spec: TrainingSpec) -> dict[AnalogLayer, Passes]:
    """Return how many vectors each layer multiplies in a training of streams of some length.

    Errors pass back through all arrays but the first, whose inputs are the characters, and not from the first step
    of a part to the state before it.
    """
    vectors = spec.epochs * steps * spec.batch_size
    beginnings = spec.epochs * math.ceil(steps / spec.sequence_length) * spec.batch_size
    passes: dict[AnalogLayer, Passes] = {}
    last = max(layer.number for _, layer in analog_layers(network))
    for name, layer in analog_layers(network):
        if name.endswith("from_state"):
            activations = vectors * TANHS_AND_SIGMOIDS * layer.rows
            passes[layer] = Passes(vectors, vectors - beginnings, vectors, activations)
        else:
            first = layer.number == 0
            # The last layer is the read-out, whose outputs become probabilities.
            activations = vectors * layer.cols if layer.number == last else 0
            passes[layer] = Passes(vectors, 0 if first else vectors, vectors, activations)
    return passes


def _limits(workload: WorkloadSpec) -> tuple[int | None, int | None]:
    train, other = workload.train_characters, workload.evaluation_characters
    return None if train == "all" else train, None if other == "all" else other
