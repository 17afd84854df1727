"""Data sets of images: what all of them have in common, without what loads them.

A share of the training images can be held out for validation, stratified by class, the same for every trial.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from annotated_types import Ge, Le
from pydantic import model_validator

from dse.data.base import AbstractData, ImageInfo, RawImages, data_folder

if TYPE_CHECKING:
    from dse.data.images import Dataset

MOST_IMAGES = 100_000_000


class AbstractImageData(AbstractData):
    """A data set of images with a fixed split into training and test images."""

    total: ClassVar[int]
    """Training images that there are, those that can be held out included."""
    classes: ClassVar[int] = 10
    """Number of classes."""
    shape: ClassVar[tuple[int, int, int]]
    """Channels, height and width of an image."""

    validation: Annotated[float, Ge(0.0), Le(0.5)] = 0.25
    """Share of the training images held out, stratified by class, to measure validation_accuracy; 0 holds out none."""
    images: Annotated[int, Ge(20), Le(MOST_IMAGES)] | Literal["all"] = "all"
    """Training images to learn from, as many of each class, of those that are not held out; fewer than all make a
    scaled experiment."""

    def read(self, folder: Path) -> RawImages:
        """Return the images as they lie below the folder of data.

        Raises:
            DataError: files are missing or unreadable; the message says what to do.
        """
        raise NotImplementedError

    @property
    def info(self) -> ImageInfo:
        """What the samples are."""
        samples = self._kept if self.images == "all" else self.images
        return ImageInfo(samples, self.classes, self.shape)

    @property
    def held_out(self) -> bool:
        """Whether training images are held out."""
        return self.validation > 0.0

    def load(self) -> "Dataset":
        """Load the images; a process keeps the last two data sets."""
        from dse.data.images import load_images  # noqa: PLC0415  torch, which a check does without

        return load_images(self, data_folder())  # pyright: ignore[reportArgumentType]  frozen, so it has a hash

    def whole(self) -> Self:
        """Return the same data set with nothing held out or left out."""
        return self.model_copy(update={"validation": 0.0, "images": "all"})

    @property
    def _kept(self) -> int:
        return self.total - math.ceil(self.validation * self.total)

    @model_validator(mode="after")
    def _each_class_is_on_either_side(self) -> "AbstractImageData":
        # As `dse.data.stratified.split_by_class` has it, so that a study is refused before its data are read.
        if self.held_out and min(self._kept, self.total - self._kept) < self.classes:
            out, least = self.total - self._kept, math.ceil(1e4 * self.classes / self.total) / 1e4
            msg = (
                f"validation = {self.validation:g} of {self.total} images holds out {out} and keeps {self._kept}; each "
                f"of {self.classes} classes needs one on either side. Give {least:g} or more, or 0 to hold out none"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _images_are_there(self) -> "AbstractImageData":
        if self.images != "all" and self.images > self._kept:
            msg = f"images = {self.images}, and {self.dataset} has {self._kept} that are not held out"
            raise ValueError(msg)
        return self
