"""Stochastic gradient descent in digital floats: how the weights of torch modules learn."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dse.crossbar.analog import analog_layers
from dse.crossbar.usage import LayerUsage
from dse.pausing import State, array_of, below, by_number, fill, gathered, hand_out, taken
from dse.streams import Stream, stream
from dse.updates.descent import as_network_says
from dse.updates.training import ModuleTraining
from dse.updates.usage import usage_of_words

VELOCITY = "momentum_buffer"
"""What torch calls the velocity of a parameter."""


class DigitalDescent:
    """Nesterov's descent in floats, with noise on the weights and bounds for them where the design has them.

    Noise-aware training (Joshi et al. 2020): for every mini-batch the weights of a layer carry normal noise with
    deviation eta * max|W|; the gradient goes to the clean weights, which are then kept within alpha * std(W).

    An update reads and writes the word of a weight, and that of its velocity where there is one.
    """

    def __init__(self, network: nn.Module, spec: ModuleTraining, *, seed: int) -> None:
        self._spec = spec
        self._layers = [layer for _, layer in analog_layers(network)]
        self._noise: list[Stream] = [stream(seed, "weight noise", layer.number) for layer in self._layers]
        matrices = [p for p in network.parameters() if p.dim() > 1]
        others = [p for p in network.parameters() if p.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": spec.weight_decay}, {"params": others}]
        momentum = spec.momentum
        self._optimiser = torch.optim.SGD(groups, lr=spec.learning_rate, momentum=momentum, nesterov=momentum > 0.0)
        self._words = 1 if momentum == 0.0 else 2
        for layer in self._layers:
            layer.counting = layer.digital = True

    def prepare(self, epochs: float) -> None:
        """Draw noise for the weights."""
        self._optimiser.zero_grad(set_to_none=True)
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
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate
        self._optimiser.step()
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
            as_network_says(usage_of_words(number, layer.rows, layer.cols, layer.events), layer)
            for number, layer in enumerate(self._layers)
        ]

    def held(self) -> None:
        """Return None: the weights are digital; see `Descent`."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return velocities, with their order in memory, and where the noise stands; see `dse.pausing.Pausable`.

        Sums of tensors of different orders in memory may differ in their last bit.
        """
        found = gathered({"noise": by_number(self._noise)})
        for number, parameter in enumerate(self._parameters()):
            velocity = self._optimiser.state[parameter].get(VELOCITY)
            if velocity is not None:
                found |= {f"{number}/strides": np.array(velocity.stride()), f"{number}/velocity": array_of(velocity)}
        return found

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        hand_out({"noise": by_number(self._noise)}, state)
        for number, parameter in enumerate(self._parameters()):
            own = below(state, str(number))
            if own:
                velocity = torch.empty_strided(
                    parameter.shape, taken(own, "strides").tolist(), dtype=parameter.dtype, device=parameter.device
                )
                fill(velocity, own, "velocity")
                self._optimiser.state[parameter][VELOCITY] = velocity

    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self._optimiser.param_groups for parameter in group["params"]]
