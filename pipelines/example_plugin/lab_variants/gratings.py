"""Gratings: a data set that is made by a formula, for quick tests.

A grating is a plane wave across the image, with a random phase and noise; its class is its orientation.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dse.data.base import RawImages
from dse.data.image_data import AbstractImageData
from dse.streams import derived_seed

TEST_IMAGES = 400
PERIOD = 4.0
"""Distance between two lines, pixels."""


class Gratings(AbstractImageData):
    """1,600 noisy gratings of 12x12 pixels in four orientations."""

    dataset: Literal["gratings"] = "gratings"
    """1,600 noisy gratings of 12x12 pixels in four orientations, made by a formula."""
    total = 1200
    classes = 4
    shape = (1, 12, 12)

    def read(self, folder: Path) -> RawImages:  # noqa: ARG002  there are no files
        """Return the images; see `AbstractImageData`."""
        labels = np.arange(self.total + TEST_IMAGES) % self.classes
        draws = np.random.Generator(np.random.PCG64(derived_seed(0, "gratings")))
        phase = draws.random(len(labels))[:, None, None]
        angle = (labels * np.pi / self.classes)[:, None, None]
        row, column = np.indices(self.shape[1:])
        wave: NDArray[np.float64] = np.sin(
            2.0 * np.pi * ((row * np.sin(angle) + column * np.cos(angle)) / PERIOD + phase)
        )
        noisy = 0.5 + 0.3 * wave + 0.1 * draws.standard_normal(wave.shape)
        pixels = (255.0 * np.clip(noisy, 0.0, 1.0)).astype(np.uint8).reshape(len(labels), -1)
        train = slice(self.total)
        test = slice(self.total, None)
        return RawImages(pixels[train], labels[train], pixels[test], labels[test], full_scale=255.0)
