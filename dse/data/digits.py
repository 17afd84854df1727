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
        from dse.data.images import stratified  # noqa: PLC0415

        table = _table()
        return RawImages(
            *stratified(table[:, :-1].astype(np.uint8), table[:, -1].astype(np.int64), TEST_IMAGES), full_scale=16.0
        )


def _table() -> np.ndarray:
    """Return the pixels of each image and its class, from scikit-learn's own file where it lies as of old.

    Importing scikit-learn for it takes a process two seconds.
    """
    found = find_spec("sklearn")
    folders = [] if found is None else [Path(place) for place in found.submodule_search_locations or ()]
    for path in (folder / "datasets" / "data" / "digits.csv.gz" for folder in folders):
        if path.is_file():
            with gzip.open(path, "rt", encoding="ascii") as file:
                return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits  # noqa: PLC0415

    raw, classes = cast("tuple[np.ndarray, np.ndarray]", load_digits(return_X_y=True))
    return np.column_stack([raw, classes])
