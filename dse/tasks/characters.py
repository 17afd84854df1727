"""Training of a recurrent network on the next character of a text, through time.

    for every part of the streams    loss(network(characters, states)).backward();  descent.step()

The text is laid out as as many streams as a mini-batch has. An update sees `sequence_length` characters of each, its
errors pass back through these and no further (truncated back-propagation through time; Williams and Peng, Neural
Comput. 2:490, 1990), while the state is carried over from one part to the next and starts from zero in every epoch.
The gradient of a part is gathered digitally and enters the accumulators once an update.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from dse.data.text import Text, streams
from dse.errors import DivergedError
from dse.kernel.arithmetic import ordered_sum
from dse.networks.recurrent import CharacterLstm
from dse.tasks.calibration import Calibration
from dse.tasks.curve import Epoch
from dse.tasks.epochs import curve_of, schedule
from dse.training.spec import TrainingSpec
from dse.updates.descent import Descent

EVALUATION_STREAMS = 32
"""Streams that a text is measured in, each from a state of zero."""
EVALUATION_STEPS = 128


def train_characters(
    network: CharacterLstm,
    descent: Descent,
    text: Text,
    spec: TrainingSpec,
    *,
    sample_time_s: float = 0.0,
    calibrate_every: int = 0,
    device: str = "cpu",
) -> list[Epoch]:
    """Train a network in place.

    Args:
        network: the network, its layers on crossbars.
        descent: what moves its weights.
        text: what to learn.
        spec: epochs, streams (`batch_size`), characters between updates, schedule.
        sample_time_s: simulated time of one character, s.
        calibrate_every: characters between two calibrations of the converters; 0 for none.
        device: where torch computes.

    Returns:
        The learning curve, one point an epoch.

    Raises:
        DivergedError: the training left the range of numbers.
        DataError: the text is too short for its streams.
    """
    inputs, targets = streams(text.train, spec.batch_size)
    calibration = Calibration(network, calibrate_every)
    samples = inputs.numel()

    def learn(seen: int) -> float:
        network.train()
        loss, states = 0.0, network.start(spec.batch_size)
        for characters, following in _parts(inputs, targets, spec.sequence_length, device):
            descent.prepare(seen / samples)
            logits, states = network(characters, states)
            own = functional.cross_entropy(logits.flatten(0, 1), following.flatten())
            own.backward()
            if spec.gradient_clip != "none":
                torch.nn.utils.clip_grad_norm_(network.parameters(), spec.gradient_clip)
            rate = spec.learning_rate * schedule(spec, seen / (spec.epochs * samples))
            descent.step(rate, characters.numel())
            loss += float(own.detach()) * characters.numel()
            seen += characters.numel()
            calibration.after(characters.numel())
        return loss

    def measure() -> dict[str, float]:
        parts = {"validation_bits_per_character": text.validation, "bits_per_character": text.test}
        return {name: bits_per_character(network, part, device) for name, part in parts.items()}

    return curve_of(spec.epochs, samples, learn, measure, [descent], sample_time_s=sample_time_s)


def bits_per_character(network: CharacterLstm, characters: Tensor, device: str = "cpu") -> float:
    """Return the mean of -log2 of the probabilities that a network gives to the characters that follow.

    Raises:
        DivergedError: the outputs are no numbers.
    """
    network.eval()
    states, sums = network.start(EVALUATION_STREAMS), list[Tensor]()
    inputs, targets = streams(characters, EVALUATION_STREAMS)
    with torch.no_grad():
        for part, following in _parts(inputs, targets, EVALUATION_STEPS, device):
            logits, states = network(part, states)
            sums.append(functional.cross_entropy(logits.flatten(0, 1), following.flatten(), reduction="sum").cpu())
    nats = ordered_sum(torch.stack(sums).double().numpy()) / inputs.numel()
    if not math.isfinite(nats):
        raise DivergedError("the probabilities of the following characters are no numbers")
    return nats / math.log(2.0)


def _parts(inputs: Tensor, targets: Tensor, steps: int, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield parts of the streams in their order; the last may be shorter."""
    for part, following in zip(torch.split(inputs, steps), torch.split(targets, steps), strict=True):
        yield part.to(device), following.to(device)
