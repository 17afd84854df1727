"""Networks that learn the classes of images on the cross-entropy."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.data.augmentation import Mover, Pictures
from dse.data.images import Dataset, Split
from dse.deployment.build import deployed_module
from dse.deployment.modules import DeployedModule
from dse.deployment.spec import DeploymentSpec
from dse.streams import generator
from dse.tasks.modules import AbstractModuleLearner
from dse.updates.platform import Platform
from dse.updates.training import ModuleTraining

EVALUATION_BATCH = 128
Labelled = tuple[Tensor, Tensor]
"""Images, float32, shape (images, channels, height, width), and their classes, int64."""


class RecognitionLearner(AbstractModuleLearner[Labelled]):
    """A network that learns the classes of images.

    Args:
        networks: the network.
        data: the images.
        training: epochs, mini-batch, schedule.
        platform: the hardware.
        seed: seed of the trial, for the order of the images and how they are moved, too.
        augmentation: "none", or "crop_flip" for images that are moved and mirrored.
    """

    def __init__(
        self,
        networks: tuple[nn.Module, ...],
        data: Dataset,
        training: ModuleTraining,
        platform: Platform,
        *,
        seed: int,
        augmentation: str = "none",
    ) -> None:
        super().__init__(networks, [seed], len(data.train), training, platform, seed=seed)
        self._data, self._pictures, self._augmentation = data, Pictures(data), augmentation
        self._order, self._mover = generator(seed, "order"), Mover(seed)

    def batches(self) -> Iterator[tuple[int, Labelled]]:
        """Yield shuffled mini-batches; see `AbstractModuleLearner`."""
        train, size = self._data.train, self.training.batch_size
        parts = torch.split(torch.randperm(len(train), generator=self._order), size)
        moves = [None] * len(parts) if self._augmentation == "none" else self._mover.draw(len(train)).split(size)
        for chosen, own in zip(parts, moves, strict=True):
            yield len(chosen), (self._pictures.batch(train, chosen, own), train.labels[chosen])

    def step(self, batch: Labelled, rate: float, epochs: float) -> float:
        """Learn a mini-batch; see `AbstractModuleLearner`."""
        (network,), (update,), device = self.networks, self.updates, self.platform.device
        images, labels = batch
        update.prepare(epochs)
        loss = functional.cross_entropy(network(images.to(device)), labels.to(device))
        loss.backward()
        update.step(rate, len(labels))
        return float(loss.detach())

    def measured(self) -> Mapping[str, float]:
        """Return the accuracies; see `AbstractModuleLearner`."""
        held_out = self._data.validation
        validation = {} if held_out is None else {"validation_accuracy": self._accuracy(held_out)}
        return {**validation, "accuracy": self._accuracy(self._data.test)}

    def deployed(self, spec: DeploymentSpec, trained_until_s: float) -> DeployedModule:
        """Return the network on the cells of its deployment; see `dse.tasks.base.Learner`."""
        (update,) = self.updates
        return deployed_module(
            self.networks[0],
            update.held(),
            self._data,
            spec,
            seed=self.seed,
            trained_until_s=trained_until_s,
            device=self.platform.device,
        )

    def _accuracy(self, split: Split) -> float:
        return accuracy(self.networks[0], self._pictures, split, self.platform.device)


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
