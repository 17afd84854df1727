# pyright: basic
# ruff: noqa
"""How many vectors the layers of torch modules multiply in a training; it follows from shapes alone."""

import math

import torch
from torch import nn

from dse.crossbar.analog import AnalogLayer, analog_layers
from dse.design.outcome import LayerOutcome
from dse.design.report import Passes, report, report_layers
from dse.design.tables import Design
from dse.networks.perceptron.learner import PerceptronLearner
from dse.tasks.generation.learner import GenerationLearner
from dse.tasks.language.learner import LanguageLearner
from dse.tasks.recognition.learner import RecognitionLearner

TANHS_AND_SIGMOIDS = 5


def usage_of(learner, design: Design, device: str) -> list[LayerOutcome]:
    if isinstance(learner, PerceptronLearner):
        return [report(number, layer) for number, layer in enumerate(learner.layers)]
    samples = design.training.epochs * learner.samples
    updates = design.training.updates_of(learner.samples)
    if isinstance(learner, LanguageLearner):
        steps, count = learner._inputs.shape
        updates = design.training.epochs * math.ceil(steps / design.training.sequence_length)
        passes = [passes_of(learner.networks[0], steps, design.training)]
    elif isinstance(learner, GenerationLearner):
        passes = [
            {layer: _passes(layer.number == 0, layer.cols, samples, which == 1) for _, layer in analog_layers(network)}
            for which, network in enumerate(learner.networks)
        ]
    else:
        assert isinstance(learner, RecognitionLearner)
        shape = learner._data.info.shape
        passes = [
            {
                layer: Passes(
                    samples * n, samples * n if layer.number else 0, samples * n, samples * n * layer.cols, places=n
                )
                for layer, n in vectors_of(learner.networks[0], shape, device).items()
            }
        ]
    found: list[LayerOutcome] = []
    for update, own in zip(learner.updates, passes, strict=True):
        found += report_layers(update, own, updates, design.accumulator, first=len(found))
    return found


def passes_of(network, steps, spec):
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
            activations = vectors * layer.cols if layer.number == last else 0
            passes[layer] = Passes(vectors, 0 if first else vectors, vectors, activations)
    return passes


def _passes(is_first, cols, images, discriminates):
    if discriminates:
        return Passes(3 * images, images if is_first else 3 * images, 2 * images, 3 * images * cols, infers=False)
    return Passes(images, 0 if is_first else images, images, images * cols)


def vectors_of(network: nn.Module, shape: tuple[int, int, int], device: str = "cpu") -> dict[AnalogLayer, int]:
    """Return how many vectors each layer multiplies for an image of a shape."""
    found: dict[AnalogLayer, int] = {}

    def note(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        if isinstance(layer, AnalogLayer):
            found[layer] = output[0].numel() // layer.cols

    was_training, counting = network.training, [layer.counting for _, layer in analog_layers(network)]
    hooks = [layer.register_forward_hook(note) for _, layer in analog_layers(network)]
    for _, layer in analog_layers(network):
        layer.counting = False
    with torch.no_grad():
        network.eval()(torch.zeros(1, *shape, device=device))
    for hook, (_, layer), held in zip(hooks, analog_layers(network), counting, strict=True):
        hook.remove()
        layer.counting = held
    network.train(was_training)
    return found
