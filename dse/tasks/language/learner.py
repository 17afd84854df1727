"""Recurrent networks that learn the next character of a text, through time.

The text is laid out as as many streams as a mini-batch has. An update sees `sequence_length` characters of each, its
errors pass back through these and no further (truncated back-propagation through time; Williams and Peng, Neural
Comput. 2:490, 1990), while the state is carried over from one part to the next and starts from zero in every epoch.
The gradient of a part is gathered digitally and enters the accumulators once an update.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.data.text import Text, streams
from dse.errors import DivergedError
from dse.kernel.arithmetic import ordered_sum
from dse.tasks.modules import AbstractModuleLearner
from dse.updates.platform import Platform
from dse.updates.training import ModuleTraining

EVALUATION_STREAMS = 32
"""Streams that a text is measured in, each from a state of zero."""
EVALUATION_STEPS = 128
Part = tuple[Tensor, Tensor]
"""Characters and those that follow them, int64, shape (steps, streams)."""


class Recurrent(Protocol):
    """What a network must do to read text."""

    def start(self, count: int) -> Any:
        """Return the state in which streams begin."""
        ...

    def __call__(self, characters: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return logits (steps, streams, symbols) and a state without history for characters (steps, streams)."""
        ...


class LanguageLearner(AbstractModuleLearner[Part]):
    """A network that learns the next character.

    Args:
        networks: the network, see `Recurrent`.
        data: the text.
        training: epochs, streams (`batch_size`), schedule.
        platform: the hardware.
        seed: seed of the trial.
        sequence_length: characters of each stream between two updates.
        gradient_clip: largest norm of a gradient, or "none".

    Raises:
        DataError: the text is too short for its streams.
    """

    def __init__(
        self,
        networks: tuple[nn.Module, ...],
        data: Text,
        training: ModuleTraining,
        platform: Platform,
        *,
        seed: int,
        sequence_length: int,
        gradient_clip: float | str = "none",
    ) -> None:
        self._text, self._clip, self._length = data, gradient_clip, sequence_length
        self._inputs, self._targets = streams(data.train, training.batch_size)
        super().__init__(networks, [seed], self._inputs.numel(), training, platform, seed=seed)
        self._network: Recurrent = self.networks[0]  # type: ignore[assignment]  a module that is called as it is
        self._state: Any = None

    def batches(self) -> Iterator[tuple[int, Part]]:
        """Yield parts of the streams in their order; see `AbstractModuleLearner`."""
        self._state = self._network.start(self.training.batch_size)
        for part in _parts(self._inputs, self._targets, self._length, self.platform.device):
            yield part[0].numel(), part

    def own_parts(self) -> Mapping[str, Any]:
        """Return nothing: the text has its order, and every epoch starts anew; see `AbstractModuleLearner`."""
        return {}

    def step(self, batch: Part, rate: float, epochs: float) -> float:
        """Learn a part; see `AbstractModuleLearner`."""
        characters, following = batch
        (update,) = self.updates
        update.prepare(epochs)
        logits, self._state = self._network(characters, self._state)
        loss = functional.cross_entropy(logits.flatten(0, 1), following.flatten())
        loss.backward()
        if isinstance(self._clip, float):
            torch.nn.utils.clip_grad_norm_(self.networks[0].parameters(), self._clip)
        update.step(rate, characters.numel())
        return float(loss.detach())

    def measured(self) -> Mapping[str, float]:
        """Return the bits of a character; see `AbstractModuleLearner`."""
        parts = {"validation_bits_per_character": self._text.validation, "bits_per_character": self._text.test}
        return {name: bits_per_character(self._network, part, self.platform.device) for name, part in parts.items()}


def bits_per_character(network: Recurrent, characters: Tensor, device: str = "cpu") -> float:
    """Return the mean of -log2 of the probabilities that a network gives to the characters that follow.

    Raises:
        DivergedError: the outputs are no numbers.
    """
    state, sums = network.start(EVALUATION_STREAMS), list[Tensor]()
    inputs, targets = streams(characters, EVALUATION_STREAMS)
    with torch.no_grad():
        for part, following in _parts(inputs, targets, EVALUATION_STEPS, device):
            logits, state = network(part, state)
            sums.append(functional.cross_entropy(logits.flatten(0, 1), following.flatten(), reduction="sum").cpu())
    nats = ordered_sum(torch.stack(sums).double().numpy()) / inputs.numel()
    if not math.isfinite(nats):
        raise DivergedError("the probabilities of the following characters are no numbers")
    return nats / math.log(2.0)


def _parts(inputs: Tensor, targets: Tensor, steps: int, device: str) -> Iterator[Part]:
    """Yield parts of the streams in their order; the last may be shorter."""
    for part, following in zip(torch.split(inputs, steps), torch.split(targets, steps), strict=True):
        yield part.to(device), following.to(device)
