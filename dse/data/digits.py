"""Digits: scikit-learn's copy of the UCI optical digits, 1,797 images of 8x8 pixels in 0..16.

It has no split of its own: 360 test images are drawn stratified by class with a fixed seed, and 1,437 remain.
"""

from pathlib import Path
from typing import Literal, cast

import numpy as np

from dse.data.base import RawImages
from dse.data.image_data import AbstractImageData

TEST_IMAGES = 360


class Digits(AbstractImageData):
    """scikit-learn's 1,797 images of 8x8 pixels, which need no download."""

    dataset: Literal["digits"] = "digits"
    """1,797 handwritten digits of 8x8 pixels, which come with scikit-learn."""
    total = 1437
    shape = (1, 8, 8)

    def read(self, folder: Path) -> RawImages:  # noqa: ARG002  they come with a library
        """Return the images; see `AbstractImageData`."""
        from sklearn.datasets import load_digits  # noqa: PLC0415  takes a second to import

        from dse.data.images import stratified  # noqa: PLC0415

        raw, classes = cast("tuple[np.ndarray, np.ndarray]", load_digits(return_X_y=True))
        return RawImages(*stratified(raw.astype(np.uint8), classes.astype(np.int64), TEST_IMAGES), full_scale=16.0)
