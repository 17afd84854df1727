"""Data sets as tensors, with a fixed split and a checksum.

- digits: scikit-learn's copy of the UCI optical digits, 1,797 images of 8x8 pixels in 0..16, which has no split of
  its own. 360 test images are drawn stratified by class with a fixed seed; 1,437 remain for training.
- mnist: 60,000 training and 10,000 test images of 28x28 pixels in 0..255, from their four idx files in
  `$DSE_DATA_DIR/mnist` (packed or not), or in the folder that `dse data mnist` downloads to.
- cifar10: 50,000 training and 10,000 test colour images of 32x32 pixels; see `dse.data.cifar`.

A share of the training images can be held out for validation, stratified by class, the same for every trial.
Pixels are kept as bytes and scaled to [0, 1] as they are used.
"""

import gzip
import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import torch
from sklearn import model_selection
from sklearn.datasets import load_digits
from torch import Tensor

from dse.data import cifar, text
from dse.data.fetch import fetch
from dse.errors import DataError
from dse.training.spec import WorkloadSpec

SPLIT_SEED = 20180501
"""Seed of the stratified splits; a constant, so that all trials of all studies see the same images."""
DIGITS_TEST = 360
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST_MD5 = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}
"""MD5 of the four packed files, as pinned in torchvision."""
MNIST_COUNTS = {"train": 60_000, "t10k": 10_000}


@dataclass(frozen=True)
class Split:
    """Images and their classes.

    Attributes:
        images: shape (images, pixels); float32, or bytes, which take a quarter of the room.
        labels: classes, int64, shape (images,).
        full_scale: the value of a pixel that stands for 1.
    """

    images: Tensor
    labels: Tensor
    full_scale: float = 1.0

    def floats(self, chosen: Tensor) -> Tensor:
        """Return some images (int64 indices) as float32 in [0, 1], shape (chosen, pixels)."""
        return self.images[chosen].to(torch.float32) / self.full_scale

    def __len__(self) -> int:
        """Return the number of images."""
        return self.images.shape[0]


@dataclass(frozen=True)
class Dataset:
    """A data set, split.

    Attributes:
        name: its name in a study file.
        train: images to learn from.
        validation: images for the search to measure accuracy on, or None.
        test: images for the reported accuracy.
        classes: number of classes.
        checksum: SHA-256 over all images and labels in file order, before any split.
        shape: channels, height and width of an image; None for a row of pixels.
    """

    name: str
    train: Split
    validation: Split | None
    test: Split
    classes: int
    checksum: str
    shape: tuple[int, int, int] | None = None


def load(name: str, validation: float, count: int | None = None) -> Dataset:
    """Load a data set; a process keeps the last two.

    Args:
        name: "digits", "mnist" or "cifar10".
        validation: share of the training images to hold out.
        count: training images to keep of the others, as many of each class; None for all.

    Raises:
        DataError: files are missing or unreadable; the message says what to do.
    """
    return _load(name, validation, count, None if name == "digits" else data_folder())


@lru_cache(maxsize=2)
def _load(name: str, validation: float, count: int | None, folder: Path | None) -> Dataset:
    if folder is None:
        (images, labels, test_images, test_labels), full_scale, shape = _digits(), 16.0, (1, 8, 8)
    elif name == "mnist":
        (images, labels, test_images, test_labels), full_scale, shape = _mnist(folder / "mnist"), 255.0, (1, 28, 28)
    else:
        (images, labels, test_images, test_labels), full_scale, shape = cifar.read(folder), 255.0, cifar.SHAPE
    digest = hashlib.sha256()
    for array in (images, labels, test_images, test_labels):
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    held_out = None
    if validation > 0.0:
        images, labels, out, out_labels = _stratified(images, labels, validation)
        held_out = _split(out, out_labels, full_scale)
    chosen = _evenly(labels, count)
    return Dataset(
        name=name,
        train=_split(images[chosen], labels[chosen], full_scale),
        validation=held_out,
        test=_split(test_images, test_labels, full_scale),
        classes=10,
        checksum=digest.hexdigest(),
        shape=shape,
    )


def _evenly(labels: np.ndarray, count: int | None) -> np.ndarray | slice:
    """Return the places of the first images of every class, as many of each, in their order."""
    if count is None:
        return slice(None)
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        own = labels == label
        rank[own] = np.arange(np.count_nonzero(own))
    return np.sort(np.argsort(rank, kind="stable")[:count])


def _split(images: np.ndarray, labels: np.ndarray, full_scale: float) -> Split:
    return Split(
        torch.from_numpy(np.require(images, requirements=["C", "W"])), torch.from_numpy(labels.copy()), full_scale
    )


def _digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    raw, classes = cast("tuple[np.ndarray, np.ndarray]", load_digits(return_X_y=True))
    return _stratified(raw.astype(np.uint8), classes.astype(np.int64), DIGITS_TEST)


def _stratified(
    images: np.ndarray, labels: np.ndarray, held_out: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (images, labels) kept and (images, labels) held out: a number of images, or a share below 1."""
    split = cast("Callable[..., list[np.ndarray]]", model_selection.train_test_split)
    kept, out, kept_labels, out_labels = split(
        images, labels, test_size=held_out, stratify=labels, random_state=SPLIT_SEED
    )
    return kept, kept_labels, out, out_labels


def data_folder() -> Path:
    """Return `$DSE_DATA_DIR`, or the folder of the user's cache where downloads go."""
    if folder := os.environ.get("DSE_DATA_DIR"):
        return Path(folder).expanduser()
    import pooch  # noqa: PLC0415  only where no folder is given

    return Path(pooch.os_cache("pcm-dse"))


def _mnist(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    parts: list[np.ndarray] = []
    for part, count in MNIST_COUNTS.items():
        images = _idx(folder, f"{part}-images-idx3-ubyte", (count, 28, 28))
        parts.append(images.reshape(count, 784))
        parts.append(_idx(folder, f"{part}-labels-idx1-ubyte", (count,)).astype(np.int64))
    return parts[0], parts[1], parts[2], parts[3]


def _idx(folder: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Read an idx file of unsigned bytes, packed or not."""
    plain, packed = folder / name, folder / f"{name}.gz"
    if not plain.exists() and not packed.exists():
        raise DataError(
            f"MNIST: {packed} is missing. Download it with `dse data mnist` (11 MB), or set DSE_DATA_DIR to a folder "
            "that has the four files of MNIST in its subfolder mnist"
        )
    path = plain if plain.exists() else packed
    try:
        raw = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"MNIST: {path} is unreadable ({error}). Remove it and run `dse data mnist`") from None
    header = struct.pack(">BBBB", 0, 0, 8, len(shape)) + struct.pack(f">{len(shape)}I", *shape)
    if raw[: len(header)] != header or len(raw) != len(header) + int(np.prod(shape)):
        raise DataError(f"MNIST: {path} is not the canonical idx file. Remove it and run `dse data mnist`")
    return np.frombuffer(bytearray(raw), np.uint8, offset=len(header)).reshape(shape)


def download(name: str) -> Path:
    """Download a data set, "mnist", "cifar10" or "ptb", into `data_folder()`, and return where it is.

    Raises:
        DataError: no mirror could be reached, or it has something else.
    """
    others = {"cifar10": cifar.download, "ptb": text.download}
    return others[name](data_folder()) if name in others else download_mnist()


def download_mnist() -> Path:
    """Download the four files of MNIST with their checksums into `data_folder()`, and return where they are.

    Raises:
        DataError: no mirror could be reached.
    """
    folder = data_folder() / "mnist"
    for name, md5 in MNIST_MD5.items():
        fetch(f"{name}.gz", md5, MNIST_MIRRORS, folder)
    return folder


def load_workload(workload: WorkloadSpec) -> Dataset | text.Text:
    """Load the data of a workload: images, or text.

    Raises:
        DataError: see `load`.
    """
    if workload.dataset == "ptb":
        return text.load(data_folder())
    return load(workload.dataset, workload.validation, None if workload.images == "all" else workload.images)
