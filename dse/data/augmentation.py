"""Images for networks of convolutions: normalised by channel, moved and mirrored; bytes stay so until then."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.data.images import Dataset, Split
from dse.errors import SettingError
from dse.kernel import augmentation as pictures
from dse.kernel.arithmetic import ordered_sum
from dse.pausing import State, gathered, hand_out
from dse.streams import generator

FARTHEST = 4
"""Pixels by which an image moves at most (He et al., CVPR 2016)."""
BYTES = 256


class Pictures:
    """Images of a data set as mini-batches of floats, mean 0 and deviation 1 in every channel of the training images.

    Attributes:
        shape: channels, height and width.
        values: the float that stands for each byte in each channel, shape (channels, 256); empty for images of floats.

    Raises:
        SettingError: the data set has rows of pixels only.
    """

    def __init__(self, data: Dataset) -> None:
        if data.shape is None:
            raise SettingError(f"the data set {data.name} has no images with height and width for convolutions")
        self.shape, self.values = data.shape, np.zeros((0, BYTES), np.float32)
        pixels = data.train.images.numpy().reshape(len(data.train), self.shape[0], -1)
        if pixels.dtype != np.uint8:
            self._moments = torch.tensor([_moments(pixels[:, channel]) for channel in range(self.shape[0])])
            return
        counts = [np.bincount(pixels[:, channel].reshape(-1), minlength=BYTES) for channel in range(self.shape[0])]
        self.values = np.stack([_normalised(count) for count in counts])

    def batch(self, split: Split, chosen: Tensor, moves: "Moves | None" = None) -> Tensor:
        """Return some images (int64 indices), moved or as they are, float32, shape (chosen, *shape), channels last."""
        if not len(self.values):
            return self._of_floats(split, chosen, moves)
        own = Moves.none(len(chosen)) if moves is None else moves
        out = torch.empty(len(chosen), *self.shape)
        arguments = own.down.numpy(), own.right.numpy(), own.mirrored.numpy(), self.values, *self.shape[1:]
        pictures.present_images(split.images.numpy(), chosen.numpy(), *arguments, out.numpy())
        return out.contiguous(memory_format=torch.channels_last)

    def _of_floats(self, split: Split, chosen: Tensor, moves: "Moves | None") -> Tensor:
        means, deviations = self._moments.T.view(2, 1, -1, 1, 1)
        images = (split.images[chosen].view(-1, *self.shape) - means) / deviations
        moved = images if moves is None else moves.applied(images)
        return moved.contiguous(memory_format=torch.channels_last)


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

    def applied(self, images: Tensor) -> Tensor:
        """Return images, shape (images, channels, height, width), moved; what comes in from outside is 0."""
        _, channels, height, width = images.shape
        rows = torch.arange(height) - self.down[:, None]
        columns = torch.arange(width).expand(len(images), -1)
        columns = torch.where(self.mirrored[:, None], width - 1 - columns, columns) - self.right[:, None]
        inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None, None]
        who, where = torch.arange(len(images))[:, None, None, None], torch.arange(channels)[None, :, None, None]
        kept = images[
            who, where, rows.clamp(0, height - 1)[:, None, :, None], columns.clamp(0, width - 1)[:, None, None]
        ]
        return torch.where(inside, kept, 0.0)

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

    def state(self) -> dict[str, NDArray[Any]]:
        """Return where its draws stand; see `dse.pausing.Pausable`."""
        return gathered({"draws": self._draws})

    def restore(self, state: State) -> None:
        """Let its draws go on from there; see `dse.pausing.Pausable`."""
        hand_out({"draws": self._draws}, state)


def _moments(pixels: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of floats, summed in their order; 1 where they are all equal."""
    mean = ordered_sum(pixels) / pixels.size
    variance = ordered_sum((pixels - mean) ** 2) / pixels.size
    return mean, variance**0.5 if variance > 0.0 else 1.0


def _normalised(counts: np.ndarray) -> np.ndarray:
    """Return the float for each byte, from how often each occurs; sums are of whole numbers, which have no order."""
    levels, total = np.arange(BYTES, dtype=np.int64), int(counts.sum())
    mean = int((counts * levels).sum()) / total
    variance = int((counts * levels**2).sum()) / total - mean**2
    return ((levels - mean) / max(variance, 1.0) ** 0.5).astype(np.float32)
