"""Networks that learn to reconstruct images on the squared error."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.data.images import Dataset, Split
from dse.streams import generator
from dse.tasks.modules import AbstractModuleLearner
from dse.updates.platform import Platform
from dse.updates.training import ModuleTraining


class ReconstructionLearner(AbstractModuleLearner[Tensor]):
    """A network that learns to reconstruct images; a batch is pixels in [0, 1], shape (images, pixels)."""

    def __init__(
        self,
        networks: tuple[nn.Module, ...],
        data: Dataset,
        training: ModuleTraining,
        platform: Platform,
        *,
        seed: int,
    ) -> None:
        super().__init__(networks, [seed], len(data.train), training, platform, seed=seed)
        self._data, self._order = data, generator(seed, "order")

    def batches(self) -> Iterator[tuple[int, Tensor]]:
        """Yield shuffled mini-batches; see `AbstractModuleLearner`."""
        order = torch.randperm(self.samples, generator=self._order)
        for chosen in torch.split(order, self.training.batch_size):
            yield len(chosen), self._data.train.floats(chosen)

    def own_parts(self) -> Mapping[str, Any]:
        """Return what draws the mini-batches; see `AbstractModuleLearner`."""
        return {"order": self._order}

    def step(self, batch: Tensor, rate: float, epochs: float) -> float:
        """Learn a mini-batch; see `AbstractModuleLearner`."""
        (network,), (update,), pixels = self.networks, self.updates, batch.to(self.platform.device)
        update.prepare(epochs)
        loss = functional.mse_loss(network(pixels), pixels)
        loss.backward()
        update.step(rate, len(batch))
        return float(loss.detach())

    def measured(self) -> Mapping[str, float]:
        """Return the errors; see `AbstractModuleLearner`."""
        held_out = self._data.validation
        validation = {} if held_out is None else {"validation_pixel_error": self._error(held_out)}
        return {**validation, "pixel_error": self._error(self._data.test)}

    def _error(self, split: Split) -> float:
        pixels = split.floats(torch.arange(len(split))).to(self.platform.device)
        with torch.no_grad():
            return float(functional.mse_loss(self.networks[0](pixels), pixels))
