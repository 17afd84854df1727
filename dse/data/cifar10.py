"""CIFAR-10 (Krizhevsky 2009) from its canonical binary files.

A record is a byte for the class and 3,072 for the image: red, green, blue, each row by row. 50,000 training images lie
in five files, 10,000 test images in one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from dse.data.base import RawImages
from dse.data.fetch import fetch
from dse.data.image_data import AbstractImageData
from dse.errors import DataError

FOLDER = "cifar-10-batches-bin"
ARCHIVE = "cifar-10-binary.tar.gz"
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
"""MD5 of the packed files, as published beside them."""
TRAIN = tuple(f"data_batch_{n}.bin" for n in range(1, 6))
TEST = ("test_batch.bin",)
IMAGES_IN_A_FILE = 10_000
SHAPE = (3, 32, 32)
PIXELS = 3072
CLASSES = 10


class Cifar10(AbstractImageData):
    """60,000 colour images of 32x32 pixels in ten classes (Krizhevsky 2009)."""

    dataset: Literal["cifar10"] = "cifar10"
    """60,000 colour images of 32x32 pixels; `dse data cifar10` downloads them."""
    total = 50_000
    classes = CLASSES
    shape = SHAPE
    is_public = True
    # Photographs show the same thing moved or mirrored; digits do not.
    defaults: ClassVar[Mapping[str, Any]] = {"training.augmentation": "crop_flip"}

    def read(self, folder: Path) -> RawImages:
        """Return the images; see `AbstractImageData`."""
        return RawImages(*_part(folder / FOLDER, TRAIN), *_part(folder / FOLDER, TEST), full_scale=255.0)

    @classmethod
    def download(cls, folder: Path) -> Path:
        """Download the six files; see `AbstractData`."""
        import pooch  # noqa: PLC0415  only for this command

        # The archive has the folder in it.
        fetch(ARCHIVE, MD5, MIRRORS, folder, pooch.Untar(extract_dir="."))
        return folder / FOLDER


def _part(folder: Path, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    records = np.concatenate([_records(folder / name) for name in names])
    labels = records[:, 0].astype(np.int64)
    if np.bincount(labels, minlength=CLASSES).tolist() != [len(labels) // CLASSES] * CLASSES:
        raise _not_canonical(folder / names[0], "its classes are not equally frequent")
    return np.ascontiguousarray(records[:, 1:]), labels


def _records(path: Path) -> np.ndarray:
    try:
        raw = path.read_bytes()
    except OSError:
        raise DataError(
            f"CIFAR-10: {path} is missing. Download it with `dse data cifar10` (170 MB), or set DSE_DATA_DIR to a "
            f"folder that has the six binary files in its subfolder {FOLDER}"
        ) from None
    if len(raw) != IMAGES_IN_A_FILE * (PIXELS + 1):
        raise _not_canonical(path, f"it has {len(raw)} bytes instead of {IMAGES_IN_A_FILE * (PIXELS + 1)}")
    return np.frombuffer(raw, np.uint8).reshape(IMAGES_IN_A_FILE, PIXELS + 1)


def _not_canonical(path: Path, why: str) -> DataError:
    return DataError(f"CIFAR-10: {path} is not the canonical file: {why}. Remove it and run `dse data cifar10`")
