"""Images for networks of convolutions: normalised by channel, moved and mirrored, bytes until they are used."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dse.data.images import Dataset, Split
from dse.errors import SettingError
from dse.kernel import augmentation as pictures
from dse.streams import generator

FARTHEST = 4
"""Pixels by which an image moves at most (He et al., CVPR 2016)."""
BYTES = 256


class Pictures:
    """Images of a data set as mini-batches of floats, mean 0 and deviation 1 in every channel of the training images.

    Attributes:
        shape: channels, height and width.
        values: the float that stands for each byte in each channel, shape (channels, 256).

    Raises:
        SettingError: the data set has rows of pixels only.
    """

    def __init__(self, data: Dataset) -> None:
        if data.shape is None:
            raise SettingError(f"the data set {data.name} has no images with height and width for convolutions")
        self.shape = data.shape
        pixels = data.train.images.numpy().reshape(len(data.train), self.shape[0], -1)
        counts = [np.bincount(pixels[:, channel].reshape(-1), minlength=BYTES) for channel in range(self.shape[0])]
        self.values = np.stack([_normalised(count) for count in counts])

    def batch(self, split: Split, chosen: Tensor, moves: "Moves | None" = None) -> Tensor:
        """Return some images (int64 indices), moved or as they are, float32, shape (chosen, *shape), channels last."""
        own = Moves.none(len(chosen)) if moves is None else moves
        out = torch.empty(len(chosen), *self.shape)
        arguments = own.down.numpy(), own.right.numpy(), own.mirrored.numpy(), self.values, *self.shape[1:]
        pictures.present_images(split.images.numpy(), chosen.numpy(), *arguments, out.numpy())
        return out.contiguous(memory_format=torch.channels_last)


class Moves:
    """How some images are moved.

    Attributes:
        down: pixels down, int64.
        right: pixels to the right, int64.
        mirrored: from left to right, bool.
    """

    def __init__(self, down: Tensor, right: Tensor, mirrored: Tensor) -> None:
        self.down, self.right, self.mirrored = down, right, mirrored

    @classmethod
    def none(cls, images: int) -> "Moves":
        """Return moves that leave images as they are."""
        still = torch.zeros(images, dtype=torch.int64)
        return cls(still, still, still.bool())

    def split(self, size: int) -> Sequence["Moves"]:
        """Return the moves of mini-batches."""
        parts = [torch.split(tensor, size) for tensor in (self.down, self.right, self.mirrored)]
        return [Moves(*part) for part in zip(*parts, strict=True)]


class Mover:
    """Draws how images are moved, anew for every epoch."""

    def __init__(self, seed: int) -> None:
        self._draws = generator(seed, "augmentation")

    def draw(self, images: int) -> Moves:
        """Return moves for an epoch."""
        down, right = torch.randint(-FARTHEST, FARTHEST + 1, (2, images), generator=self._draws)
        return Moves(down.contiguous(), right.contiguous(), torch.rand(images, generator=self._draws) < 0.5)


def _normalised(counts: np.ndarray) -> np.ndarray:
    """Return the float for each byte, from how often each occurs; sums are of whole numbers, which have no order."""
    levels, total = np.arange(BYTES, dtype=np.int64), int(counts.sum())
    mean = int((counts * levels).sum()) / total
    variance = int((counts * levels**2).sum()) / total - mean**2
    return ((levels - mean) / max(variance, 1.0) ** 0.5).astype(np.float32)
