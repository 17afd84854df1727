"""Digits: scikit-learn's copy of the UCI optical digits, 1,797 images of 8x8 pixels in 0..16.

It has no split of its own: 360 test images are drawn stratified by class with a fixed seed, and 1,437 remain.
"""

import gzip
from importlib.util import find_spec
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
        from dse.data.images import stratified  # noqa: PLC0415  torch

        raw, classes = _pixels_and_classes()
        return RawImages(*stratified(raw.astype(np.uint8), classes.astype(np.int64), TEST_IMAGES), full_scale=16.0)


def _pixels_and_classes() -> tuple[np.ndarray, np.ndarray]:
    """Return what scikit-learn's `load_digits` returns: from its file if it is there, as the import takes a second."""
    package = find_spec("sklearn")
    path = Path(str(package and package.origin)).parent / "datasets" / "data" / "digits.csv.gz"
    if package is not None and path.is_file():
        with gzip.open(path) as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
        return table[:, :-1], table[:, -1]
    from sklearn.datasets import load_digits  # noqa: PLC0415

    return cast("tuple[np.ndarray, np.ndarray]", load_digits(return_X_y=True))
