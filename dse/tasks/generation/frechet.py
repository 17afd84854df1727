"""The Frechet distance between generated and real images (Heusel et al., NeurIPS 2017), on features of our own.

    d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))       m, C: mean and covariance of the features

The features are the 64 rectified outputs before the last layer of a small network of convolutions that learns the
classes of the training images here, from a fixed seed, in seconds. They are not those of the Inception network, so that
the figures compare with each other and with no published one. The distance of finite samples is biased upward, less
for more samples; a distance from a split takes as many generated images as real ones.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.data.images import Dataset, Split
from dse.streams import generator, stream

SEED = 20170626
"""Seed of the classifier; a constant, so that all trials of all studies are measured by the same one."""
FEATURES = 64
BATCH, LEARNING_RATE, MOMENTUM = 50, 0.05, 0.9
LEARNED_IMAGES = 40_000
"""Images, repeats counted, that the classifier sees."""
SAMPLES = 5000
"""Most images that a side of the comparison has."""


@dataclass(frozen=True)
class Moments:
    """Mean, shape (features,), and covariance, shape (features, features), of some features, float64."""

    mean: np.ndarray
    covariance: np.ndarray


class FrechetScorer:
    """Measures how far images are from those of a data set.

    Attributes:
        samples: how many images of each split enter the comparison; "train", "validation" where there is one, "test".

    Args:
        data: the data set.
        learned: what the classifier learns.
    """

    def __init__(self, data: Dataset, learned: Split) -> None:
        channels, height, width = data.shape or (1, 1, data.train.images.shape[1])
        self._shape = (channels, height, width)
        self._classifier = _untrained(self._shape, data.classes)
        self._learn(learned)
        splits = {"train": data.train, "validation": data.validation, "test": data.test}
        real = {name: split for name, split in splits.items() if split is not None}
        self.samples = {name: min(len(split), SAMPLES) for name, split in real.items()}
        self._real = {name: self.moments(real[name].floats(torch.arange(n))) for name, n in self.samples.items()}

    def _learn(self, split: Split) -> None:
        descent = torch.optim.SGD(self._classifier.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        for chosen in _order(len(split)):
            descent.zero_grad()
            functional.cross_entropy(self.logits(split.floats(chosen)), split.labels[chosen]).backward()
            descent.step()

    def logits(self, images: Tensor) -> Tensor:
        """Return the outputs of the classifier, shape (images, classes), for images of shape (images, pixels)."""
        return self._classifier(images.view(-1, *self._shape))

    def moments(self, images: Tensor) -> Moments:
        """Return mean and covariance of the features of images, float32 in [0, 1], shape (images, pixels)."""
        with torch.no_grad():
            parts = [self._classifier[:-1](part.view(-1, *self._shape)) for part in torch.split(images, 500)]
        features = torch.cat(parts).double().numpy()
        mean = features.mean(axis=0)
        return Moments(mean, (features - mean).T @ (features - mean) / (len(features) - 1))

    def distance(self, images: Tensor, split: str) -> float:
        """Return the distance of some images from those of a split."""
        return frechet_distance(self.moments(images), self._real[split])

    def floor(self) -> float:
        """Return the distance of training images from test images: what a perfect generator would reach."""
        return frechet_distance(self._real["train"], self._real["test"])


@lru_cache(maxsize=2)
def scorer_of(data: Dataset) -> FrechetScorer:
    """Return the scorer of a data set; a process keeps the last two.

    Its classifier learns all training images, held out or left out by a workload or not, so that designs compare.
    """
    return FrechetScorer(data, data.everything())


def frechet_distance(a: Moments, b: Moments) -> float:
    """Return d^2 of two normal distributions, never below 0."""
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    inner = np.sqrt(np.clip(np.linalg.eigvalsh(root @ b.covariance @ root), 0.0, None))
    spread = np.trace(a.covariance) + np.trace(b.covariance) - 2.0 * inner.sum()
    return max(0.0, float(((a.mean - b.mean) ** 2).sum() + spread))


def _untrained(shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    channels, height, width = shape
    places = math.ceil(height / 4) * math.ceil(width / 4)
    with torch.random.fork_rng(devices=[]):  # torch draws initial weights of its own, which are replaced
        classifier = nn.Sequential(
            nn.Conv2d(channels, 8, 5, 2, padding=2), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(16 * places, FEATURES), nn.ReLU(), nn.Linear(FEATURES, classes),
        )  # fmt: skip
    for number, parameter in enumerate(classifier.parameters()):
        if parameter.dim() == 1:
            parameter.data.zero_()
            continue
        draws = stream(SEED, "initial weights", number).next_normal(parameter.numel()).reshape(parameter.shape)
        parameter.data = draws * math.sqrt(2.0 / parameter[0].numel())
    return classifier


def _order(images: int) -> Iterator[Tensor]:
    """Yield mini-batches of whole passes over shuffled images until enough were seen."""
    order, seen = generator(SEED, "order"), 0
    while seen < LEARNED_IMAGES:
        for chosen in torch.split(torch.randperm(images, generator=order), BATCH):
            seen += len(chosen)
            yield chosen
            if seen >= LEARNED_IMAGES:
                return
