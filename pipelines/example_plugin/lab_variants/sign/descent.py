"""Sign descent: how the weights of torch modules learn."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from dse.crossbar.analog import analog_layers
from dse.crossbar.usage import LayerUsage
from dse.pausing import State
from dse.updates.descent import as_network_says
from dse.updates.usage import usage_of_words


class SignDescent:
    """Moves the weights of a network; see `dse.updates.descent.Descent`."""

    def __init__(self, network: nn.Module) -> None:
        self._parameters = list(network.parameters())
        self._layers = [layer for _, layer in analog_layers(network)]
        for layer in self._layers:
            layer.counting = layer.digital = True

    def prepare(self, epochs: float) -> None:  # noqa: ARG002  products see the weights as they are
        """Forget the gradients of the last mini-batch."""
        for parameter in self._parameters:
            parameter.grad = None

    def step(self, learning_rate: float, samples: int) -> None:  # noqa: ARG002
        """Move the weights, and count the words that are read and written."""
        with torch.no_grad():
            for parameter in self._parameters:
                if parameter.grad is not None:
                    parameter.add_(parameter.grad.sign(), alpha=-learning_rate)
        for layer in self._layers:
            layer.events.weight_reads += layer.weight.numel()
            layer.events.weight_writes += layer.weight.numel()

    @contextmanager
    def measuring(self, now_s: float) -> Generator[None]:  # noqa: ARG002  digital weights do not drift
        """Count nothing while the network is measured."""
        for layer in self._layers:
            layer.counting = False
        yield
        for layer in self._layers:
            layer.counting = True

    def survey(self, now_s: float) -> None:
        """Do nothing at the end of an epoch."""

    def usage(self) -> list[LayerUsage]:
        """Return what happened in the layers."""
        return [
            as_network_says(usage_of_words(number, layer.rows, layer.cols, layer.events), layer)
            for number, layer in enumerate(self._layers)
        ]

    def held(self) -> None:
        """Return None: the weights are digital."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return nothing: a training that paused goes on from the weights, which the network keeps."""
        return {}

    def restore(self, state: State) -> None:
        """Do nothing."""
