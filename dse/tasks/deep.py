"""Training of networks of convolutions on the cross-entropy, on crossbars or digitally.

    for every mini-batch    loss(network(images)).backward();  descent.step()

The network is one of `dse.networks.convolutional` with its layers on crossbars (`dse.crossbar.analog`), ideal ones for
digital training; what moves the weights is a `Descent`.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.crossbar.analog import AnalogLayer, analog_layers
from dse.data.augmentation import Mover, Pictures
from dse.data.datasets import Dataset, Split
from dse.streams import generator
from dse.tasks.calibration import Calibration
from dse.tasks.curve import Epoch
from dse.tasks.epochs import curve_of, schedule
from dse.training.spec import TrainingSpec
from dse.updates.descent import Descent

EVALUATION_BATCH = 128


def train_deep(
    network: nn.Module,
    descent: Descent,
    data: Dataset,
    spec: TrainingSpec,
    *,
    seed: int,
    sample_time_s: float = 0.0,
    calibrate_every: int = 0,
    device: str = "cpu",
) -> list[Epoch]:
    """Train a network in place.

    Args:
        network: the network, its layers on crossbars.
        descent: what moves its weights.
        data: what to learn.
        spec: epochs, mini-batch, schedule, augmentation.
        seed: seed of the trial, for the order of the images and how they are moved.
        sample_time_s: simulated time of one image, s.
        calibrate_every: images between two calibrations of the converters; 0 for none.
        device: where torch computes.

    Returns:
        The learning curve, one point an epoch.

    Raises:
        DivergedError: the training left the range of numbers.
    """
    pictures, order, mover = Pictures(data), generator(seed, "order"), Mover(seed)
    calibration = Calibration(network, calibrate_every)
    samples = len(data.train)

    def learn(seen: int) -> float:
        network.train()
        loss = 0.0
        for chosen, images in _mini_batches(pictures, data.train, order, mover, spec):
            descent.prepare(seen / samples)
            output = network(images.to(device))
            own = functional.cross_entropy(output, data.train.labels[chosen].to(device))
            own.backward()
            descent.step(spec.learning_rate * schedule(spec, seen / (spec.epochs * samples)), len(chosen))
            loss += float(own.detach()) * len(chosen)
            seen += len(chosen)
            calibration.after(len(chosen))
        return loss

    def measure() -> dict[str, float]:
        splits = {"validation_accuracy": data.validation, "accuracy": data.test}
        return {name: accuracy(network, pictures, split, device) for name, split in splits.items() if split is not None}

    return curve_of(spec.epochs, samples, learn, measure, [descent], sample_time_s=sample_time_s)


def accuracy(network: nn.Module, pictures: Pictures, split: Split, device: str = "cpu") -> float:
    """Return the share of images that a network recognises, in evaluation mode."""
    network.eval()
    right = 0
    with torch.no_grad():
        for chosen in torch.split(torch.arange(len(split)), EVALUATION_BATCH):
            output = network(pictures.batch(split, chosen).to(device)).cpu()
            # numpy's argmax takes the first of equal outputs; torch's does not say.
            right += int((output.numpy().argmax(axis=1) == split.labels[chosen].numpy()).sum())
    return right / len(split)


def _mini_batches(
    pictures: Pictures, split: Split, order: torch.Generator, mover: Mover, spec: TrainingSpec
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the mini-batches of an epoch: indices and images."""
    parts = torch.split(torch.randperm(len(split), generator=order), spec.batch_size)
    if spec.augmentation == "none":
        yield from ((chosen, pictures.batch(split, chosen)) for chosen in parts)
        return
    for chosen, moves in zip(parts, mover.draw(len(split)).split(spec.batch_size), strict=True):
        yield chosen, pictures.batch(split, chosen, moves)


def vectors_of(network: nn.Module, shape: tuple[int, int, int], device: str = "cpu") -> dict[AnalogLayer, int]:
    """Return how many vectors each layer multiplies for an image of a shape."""
    found: dict[AnalogLayer, int] = {}

    def note(layer: nn.Module, _: object, output: Tensor) -> None:
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
