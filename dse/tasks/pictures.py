"""Networks of torch modules that learn the answers of images, or of vectors as images of one row."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dse.data.augmentation import Mover, Pictures
from dse.data.images import Dataset, Split
from dse.deployment.build import deployed_module
from dse.deployment.measure import AbstractMeasure
from dse.deployment.modules import DeployedModule
from dse.deployment.spec import DeploymentSpec
from dse.errors import SettingError
from dse.kernel.arithmetic import Floats
from dse.streams import generator
from dse.tasks.measured import on_splits
from dse.tasks.modules import AbstractModuleLearner
from dse.updates.platform import Platform
from dse.updates.training import ModuleTraining

EVALUATION_BATCH = 128
Answered = tuple[Tensor, Tensor]
"""Images, float32, shape (images, channels, height, width), and their answers."""


class AbstractPictureLearner(AbstractModuleLearner[Answered]):
    """A network that learns the answers of images.

    Args:
        networks: the network.
        data: the images.
        training: epochs, mini-batch, schedule.
        platform: the hardware.
        seed: seed of the trial, for the order of the images and how they are moved, too.
        augmentation: "none", or "crop_flip" for images that are moved and mirrored.
    """

    measured_by: ClassVar[type[AbstractMeasure]]
    """What it is measured by."""

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
        self._outputs_of_sample = data.info.outputs
        self._order, self._mover = generator(seed, "order"), Mover(seed)

    @abstractmethod
    def loss(self, outputs: Tensor, answers: Tensor) -> Tensor:
        """Return the mean loss of a mini-batch."""

    def check_outputs(self, outputs: Tensor, answers: Tensor) -> None:
        """Check that a network gives what answers can be held against.

        Raises:
            SettingError: it does not; what it gives and what it should give.
        """
        wanted = (len(answers), self._outputs_of_sample)
        if tuple(outputs.shape) != wanted:
            raise SettingError(
                f"the network gives outputs of shape {tuple(outputs.shape)} for {len(answers)} samples, and these data "
                f"need {wanted}; let its last layer have {wanted[1]} outputs"
            )

    def batches(self) -> Iterator[tuple[int, Answered]]:
        """Yield shuffled mini-batches; see `AbstractModuleLearner`."""
        train, size = self._data.train, self.training.batch_size
        parts = torch.split(torch.randperm(len(train), generator=self._order), size)
        moves = [None] * len(parts) if self._augmentation == "none" else self._mover.draw(len(train)).split(size)
        for chosen, own in zip(parts, moves, strict=True):
            yield len(chosen), (self._pictures.batch(train, chosen, own), train.labels[chosen])

    def own_parts(self) -> Mapping[str, Any]:
        """Return what draws the mini-batches; see `AbstractModuleLearner`."""
        return {"order": self._order, "mover": self._mover}

    def step(self, batch: Answered, rate: float, epochs: float) -> float:
        """Learn a mini-batch; see `AbstractModuleLearner`."""
        (network,), (update,), device = self.networks, self.updates, self.platform.device
        images, answers = batch
        update.prepare(epochs)
        outputs = network(images.to(device))
        self.check_outputs(outputs, answers)
        loss = self.loss(outputs, answers.to(device))
        loss.backward()
        update.step(rate, len(answers))
        return float(loss.detach())

    def measured(self) -> Mapping[str, float]:
        """Return its measure of each split; see `AbstractModuleLearner`."""
        return on_splits(self.measured_by, self._data, self._outputs)

    def deployed(self, spec: DeploymentSpec, trained_until_s: float) -> DeployedModule:
        """Return the network on the cells of its deployment; see `dse.tasks.base.Learner`."""
        (update,) = self.updates
        return deployed_module(
            self.networks[0],
            update.held(),
            self._data.train,
            spec,
            inputs=self._pictures.batch,
            seed=self.seed,
            trained_until_s=trained_until_s,
            device=self.platform.device,
        )

    def _outputs(self, split: Split) -> Floats:
        return outputs_of(self.networks[0], self._pictures, split, self.platform.device)


def outputs_of(network: nn.Module, pictures: Pictures, split: Split, device: str = "cpu") -> Floats:
    """Return the outputs of a network in evaluation mode for images, shape (images, outputs)."""
    network.eval()
    with torch.no_grad():
        parts = torch.split(torch.arange(len(split)), EVALUATION_BATCH)
        return torch.cat([network(pictures.batch(split, chosen).to(device)).cpu() for chosen in parts]).numpy()
