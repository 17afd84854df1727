"""Stochastic gradient descent in digital floats: how the weights of torch modules learn."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from dse.crossbar.analog import analog_layers
from dse.crossbar.usage import LayerUsage
from dse.pausing import State, by_number, gathered, hand_out
from dse.streams import Stream, stream
from dse.updates.descent import as_network_says
from dse.updates.optimisers.memory import Memory
from dse.updates.standing import root_mean_square, size_of
from dse.updates.training import ModuleTraining
from dse.updates.usage import usage_of_words


@dataclass(frozen=True)
class _Parameter:
    """A parameter of a network.

    Attributes:
        parameter: its values.
        memory: its optimiser.
        decay: added to the gradient in units of the values.
        share: its learning rate in units of that of the network.
    """

    parameter: nn.Parameter
    memory: Memory
    decay: float
    share: float

    def step(self, learning_rate: float) -> None:
        """Move it by its gradient, where it has one."""
        gradient = self.parameter.grad
        if gradient is None:
            return
        if self.decay:
            gradient = gradient.add(self.parameter, alpha=self.decay)
        self.parameter.add_(self.memory.direction(gradient), alpha=-learning_rate * self.share)


class DigitalDescent:
    """Descent in floats by an optimiser, with noise on the weights and bounds for them where the design has them.

    Noise-aware training (Joshi et al. 2020): for every mini-batch the weights of a layer carry normal noise with
    deviation eta * max|W|; the gradient goes to the clean weights, which are then kept within alpha * std(W).

    An update reads and writes the word of a weight, and those that its optimiser keeps.
    """

    def __init__(self, network: nn.Module, spec: ModuleTraining, *, seed: int) -> None:
        self._spec = spec
        self._layers = [layer for _, layer in analog_layers(network)]
        self._noise: list[Stream] = [stream(seed, "weight noise", layer.number) for layer in self._layers]
        self._parameters = [
            _Parameter(own, Memory(spec.of_weights, own), spec.weight_decay, 1.0)
            if own.dim() > 1
            else _Parameter(own, Memory(spec.of_digital, own), 0.0, spec.digital_share)
            for own in network.parameters()
        ]
        self._words = 1 + spec.of_weights.words
        self._deviations = [root_mean_square(layer.weight) for layer in self._layers]
        for layer in self._layers:
            layer.counting = layer.digital = True

    def prepare(self, epochs: float) -> None:
        """Draw noise for the weights."""
        for own in self._parameters:
            own.parameter.grad = None
        ramp = self._spec.weight_noise_ramp_epochs
        share = min(1.0, epochs / ramp) if ramp else 1.0
        if self._spec.weight_noise == 0.0 or share == 0.0:
            return
        for layer, noise in zip(self._layers, self._noise, strict=True):
            clean = layer.weight.detach()
            deviation = clean.abs().max() * (self._spec.weight_noise * share)
            draw = noise.next_normal(clean.numel()).reshape(clean.shape).to(clean.device)
            layer.effective_weight = torch.addcmul(clean, draw, deviation)

    def step(self, learning_rate: float, samples: int) -> None:  # noqa: ARG002
        """Move the clean weights, and keep them within bounds."""
        with torch.no_grad():
            for own in self._parameters:
                own.step(learning_rate)
        for layer in self._layers:
            if layer.weight.grad is not None:
                layer.events.weight_reads += self._words * layer.weight.numel()
                layer.events.weight_writes += self._words * layer.weight.numel()
        if self._spec.clip_std == "none":
            return
        with torch.no_grad():
            for layer in self._layers:
                bound = self._spec.clip_std * float(layer.weight.std(correction=0))
                layer.weight.clamp_(-bound, bound)

    @contextmanager
    def measuring(self, now_s: float) -> Generator[None]:  # noqa: ARG002  digital weights do not age
        """Let products see the clean weights, and count nothing."""
        for layer in self._layers:
            layer.effective_weight, layer.counting = None, False
        yield
        for layer in self._layers:
            layer.counting = True

    def survey(self, now_s: float) -> None:
        """Do nothing."""

    def usage(self) -> list[LayerUsage]:
        """Return what happened in the layers; see `Descent`."""
        return [
            as_network_says(
                usage_of_words(number, layer.rows, layer.cols, layer.events, size_of(layer.weight, deviation)), layer
            )
            for number, (layer, deviation) in enumerate(zip(self._layers, self._deviations, strict=True))
        ]

    def held(self) -> None:
        """Return None: the weights are digital; see `Descent`."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what optimisers remember, and where the noise stands; see `dse.pausing.Pausable`."""
        return gathered(self._parts())

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        hand_out(self._parts(), state)

    def _parts(self) -> dict[str, Any]:
        memories = [own.memory for own in self._parameters]
        return {"noise": by_number(self._noise), "memories": by_number(memories)}
