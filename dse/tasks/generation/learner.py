"""A generator of images and its discriminator (Goodfellow et al., NeurIPS 2014), which learn together.

    for every mini-batch of real images x and random z
        discriminator    loss(D(x), D(G(z)));  its update rule steps
        generator        loss(D(G(z))) through the discriminator as it is now;  its update rule steps

A generated mini-batch serves both losses. The discriminator's weights gather no gradient in the generator's step, but
errors pass back through all of its arrays.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dse.data.images import Dataset
from dse.errors import DivergedError
from dse.streams import derived_seed, generator, stream
from dse.tasks.generation.frechet import FrechetScorer, scorer_of
from dse.tasks.generation.losses import LOSSES
from dse.tasks.modules import AbstractModuleLearner
from dse.updates.platform import Platform
from dse.updates.training import ModuleTraining

EVALUATION_BATCH = 500


class GenerationLearner(AbstractModuleLearner[Tensor]):
    """Generator and discriminator that learn.

    Args:
        networks: the generator, from latent vectors to images in (0, 1), shape (images, pixels); and the
            discriminator, from images to one number.
        data: the images.
        training: epochs, mini-batch, learning rate, schedule.
        platform: the hardware.
        seed: seed of the trial; generator and discriminator derive their own from it.
        loss: name of the losses, see `LOSSES`.
        discriminator_rate: learning rate of the discriminator in units of the generator's.
    """

    def __init__(
        self,
        networks: tuple[nn.Module, ...],
        data: Dataset,
        training: ModuleTraining,
        platform: Platform,
        *,
        seed: int,
        loss: str = "non_saturating",
        discriminator_rate: float = 1.0,
    ) -> None:
        seeds = [derived_seed(seed, part) for part in ("generator", "discriminator")]
        super().__init__(networks, seeds, len(data.train), training, platform, seed=seed)
        self.generator, self.discriminator = self.networks
        self.latent = latent_of(self.generator)
        self._data, self._scorer, self._order = data, scorer_of(data), generator(seed, "order")
        self._own, self._others = LOSSES[loss]
        self._rate = discriminator_rate
        self._training, self._evaluation = (stream(seed, f"{purpose} latent") for purpose in ("training", "evaluation"))

    def batches(self) -> Iterator[tuple[int, Tensor]]:
        """Yield shuffled mini-batches of real images; see `AbstractModuleLearner`."""
        train = self._data.train
        for chosen in torch.split(torch.randperm(len(train), generator=self._order), self.training.batch_size):
            yield len(chosen), train.floats(chosen)

    def own_parts(self) -> Mapping[str, Any]:
        """Return what draws the mini-batches; see `AbstractModuleLearner`."""
        return {"order": self._order, "latent": self._training}

    def step(self, batch: Tensor, rate: float, epochs: float) -> float:
        """Learn a mini-batch of real images and return the loss of the discriminator; see `AbstractModuleLearner`."""
        real, (own, others) = batch.to(self.platform.device), self.updates
        for update in self.updates:
            update.prepare(epochs)
        z = self._training.next_normal(self.latent, vectors=len(real)).to(self.platform.device)
        images = self.generator(z)
        loss = self._own(self.discriminator(real), self.discriminator(images.detach()))
        loss.backward()
        others.step(rate * self._rate, len(real))
        self.discriminator.requires_grad_(requires_grad=False)
        others.prepare(epochs)
        self._others(self.discriminator(images)).backward()
        self.discriminator.requires_grad_(requires_grad=True)
        own.step(rate, len(real))
        return float(loss.detach())

    def images(self, count: int) -> Tensor:
        """Return generated images of the same latent vectors every time, float32, shape (count, pixels).

        Call it while `measuring`: the generator would normalise by the mini-batch otherwise.
        """
        draws = self._evaluation.at(0)
        parts: list[Tensor] = []
        with torch.no_grad():
            for start in range(0, count, EVALUATION_BATCH):
                z = draws.next_normal(self.latent, vectors=min(EVALUATION_BATCH, count - start))
                parts.append(self.generator(z.to(self.platform.device)).cpu())
        return torch.cat(parts)

    def measured(self) -> Mapping[str, float]:
        """Return the distances from real images; see `AbstractModuleLearner`."""
        return distances(self.images(max(self._scorer.samples.values())), self._scorer)


def latent_of(network: nn.Module) -> int:
    """Return how many numbers a generator takes: the inputs of its first layer."""
    return next(p for p in network.parameters() if p.dim() > 1).shape[1]


def distances(images: Tensor, scorer: FrechetScorer) -> dict[str, float]:
    """Return the Frechet distances of generated images from those of each split.

    Raises:
        DivergedError: the images are no numbers.
    """
    if not bool(images.isfinite().all()):
        raise DivergedError("the generated images are no numbers")
    names = {"validation": "validation_frechet_distance", "test": "frechet_distance"}
    return {
        name: scorer.distance(images[: scorer.samples[split]], split)
        for split, name in names.items()
        if split in scorer.samples
    }
