"""Images in memory as tensors, with a fixed split.

Pixels are kept as bytes and scaled to [0, 1] as they are used.
"""

import hashlib
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dse.data.base import ImageInfo, RawImages, SampleInfo
from dse.data.shared import shared
from dse.data.stratified import split_by_class
from dse.errors import DataError

SPLIT_SEED = 20180501
"""Seed of the stratified splits; a constant, so that all trials of all studies see the same images."""


@dataclass(frozen=True)
class Split:
    """Images, or other samples, and their answers.

    Attributes:
        images: shape (images, pixels); float32, or bytes, which take a quarter of the room.
        labels: classes, int64, shape (images,); or numbers, float32, shape (images, numbers), none without answers.
        full_scale: the value of a pixel that stands for 1.
    """

    images: Tensor
    labels: Tensor
    full_scale: float = 1.0

    def floats(self, chosen: Tensor) -> Tensor:
        """Return some images (int64 indices) as float32, in [0, 1] where scaled so, shape (chosen, pixels)."""
        # A quarter of the time of indexing, and the copy is divided in place.
        return self.images.index_select(0, chosen).to(torch.float32).div_(self.full_scale)

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
        classes: number of classes; 0 where answers are numbers, or there are none.
        checksum: SHA-256 over all images and labels in file order, before any split.
        shape: channels, height and width of an image; None for a row of pixels.
        source: the workload that it was loaded for; None for one that was made otherwise.
    """

    name: str
    train: Split
    validation: Split | None
    test: Split
    classes: int
    checksum: str
    shape: tuple[int, int, int] | None = None
    source: "Source | None" = None

    def everything(self) -> Split:
        """Return all training images, those that the workload holds out or leaves out included."""
        return self.train if self.source is None else self.source.whole().load().train

    @property
    def info(self) -> SampleInfo:
        """What a network must know of it."""
        if self.source is not None:
            return replace(self.source.info, samples=len(self.train))
        return ImageInfo(len(self.train), self.classes, self.shape or (1, 1, self.train.images.shape[1]))

    def targets(self, split: Split) -> Tensor:
        """Return what outputs should be for a split, float32, shape (images, outputs): 1 for a class, or numbers."""
        if self.classes:
            return torch.nn.functional.one_hot(split.labels, self.classes).to(torch.float32)
        return split.labels


class Source(Protocol):
    """What samples are loaded for: the table `workload` of a design."""

    @property
    def info(self) -> SampleInfo:
        """What the samples are."""
        ...

    def whole(self) -> "Source":
        """Return the same data set with nothing held out or left out."""
        ...

    def load(self) -> Dataset:
        """Load the samples."""
        ...


class ImageSource(Source, Protocol):
    """What images are loaded for; see `dse.data.image_data.AbstractImageData`."""

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        ...

    @property
    def validation(self) -> float:
        """Share of the training images held out."""
        ...

    @property
    def images(self) -> int | str:
        """Training images to keep of the others, as many of each class; or "all"."""
        ...

    @property
    def classes(self) -> int:
        """Number of classes."""
        ...

    @property
    def total(self) -> int:
        """Training images that there are."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        ...

    def read(self, folder: Path) -> RawImages:
        """Return the images as they lie below the folder of data."""
        ...


@lru_cache(maxsize=2)
def load_images(workload: ImageSource, folder: Path) -> Dataset:
    """Load the images of a workload; a process keeps the last two.

    Args:
        workload: the data set, and what is used of it.
        folder: where data sets lie.

    Raises:
        DataError: files are missing or unreadable; the message says what to do.
    """
    raw = workload.read(folder)
    _check(workload, raw)
    digest = hashlib.sha256()
    for array in raw[:4]:
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    prepared = f"{workload.dataset}-{digest.hexdigest()[:24]}-{workload.validation}-{workload.images}"
    images, labels, held_out = raw.train, raw.train_labels, None
    if workload.validation > 0.0:
        try:
            images, labels, out, out_labels = stratified(images, labels, workload.validation)
        except ValueError as error:
            raise DataError(
                f"{workload.dataset}: workload.validation = {workload.validation}: {error}; hold out a share with an "
                "image of each class on either side, or 0"
            ) from None
        held_out = _split(shared(out, f"{prepared}-held-out"), out_labels, raw.full_scale)
    chosen = _evenly(labels, workload.images if isinstance(workload.images, int) else None)
    return Dataset(
        name=workload.dataset,
        train=_split(shared(images[chosen], f"{prepared}-train"), labels[chosen], raw.full_scale),
        validation=held_out,
        test=_split(shared(raw.test, f"{prepared}-test"), raw.test_labels, raw.full_scale),
        classes=workload.classes,
        checksum=digest.hexdigest(),
        shape=workload.shape,
        source=workload,
    )


def _check(workload: ImageSource, raw: RawImages) -> None:
    """Check that images are what their data set says of them: compiled code goes by it.

    Raises:
        DataError: naming the data set, what came and what it says.
    """
    pixels, classes = math.prod(workload.shape), workload.classes
    for part, images, labels in (
        ("training", raw.train, raw.train_labels),
        ("test", raw.test, raw.test_labels),
    ):
        what = f"{workload.dataset}: read() gives {part}"
        if images.dtype != np.uint8:
            raise DataError(
                f"{what} images of {images.dtype}; give bytes (uint8), one for each pixel, up to full_scale"
            )
        if images.ndim != 2 or images.shape[1] != pixels:
            raise DataError(f"{what} images of shape {images.shape}; shape = {workload.shape} says (images, {pixels})")
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise DataError(
                f"{what} labels of {labels.dtype}, shape {labels.shape}; give int64 for {len(images)} images"
            )
        if not len(labels):
            raise DataError(f"{what} images none; give at least one")
        if images.max() > raw.full_scale:
            raise DataError(f"{what} pixels up to {images.max()}, above full_scale = {raw.full_scale}")
        if labels.min() < 0 or labels.max() >= classes:
            raise DataError(
                f"{what} labels from {labels.min()} to {labels.max()}; classes = {classes} says 0 to {classes - 1}"
            )
    if len(raw.train) != workload.total:
        raise DataError(
            f"{workload.dataset}: read() gives {len(raw.train)} training images; total = {workload.total} says how many"
        )
    lacking = sorted(set(range(classes)) - set(np.unique(raw.train_labels).tolist()))
    if lacking:
        raise DataError(
            f"{workload.dataset}: no training image has label {', '.join(map(str, lacking))}; classes = {classes} says "
            f"0 to {classes - 1}"
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


def stratified(
    images: np.ndarray, labels: np.ndarray, held_out: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (images, labels) kept and (images, labels) held out: a number of images, or a share below 1."""
    kept, out = split_by_class(labels, held_out, SPLIT_SEED)
    return images[kept], labels[kept], images[out], labels[out]
