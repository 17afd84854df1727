"""What a data set is: settings that say which samples are used, and how they come to the machine.

A data set is a final class below `AbstractData` in a file of its own, and stands in `dse.data.DATA`. It says without
loading anything how many samples there are and of what kind (`DataInfo`), since studies are checked before they run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from dse.errors import DataError
from dse.files import data_folder as data_folder  # noqa: PLC0414  where data sets look for it
from dse.spec import Spec


@dataclass(frozen=True)
class DataInfo:
    """What a network must know of the samples that it learns.

    Attributes:
        samples: samples to learn from.
    """

    reads: ClassVar[str]
    """What the samples are, in a word."""
    samples: int


class SampleInfo(DataInfo):
    """Samples of equal shape: images, or vectors, which are images of one row.

    Attributes:
        shape: channels, height and width.
        given: shape of a sample as its file has it; () where that is `shape`.
        bounded: whether every input lies in [0, 1].
    """

    shape: tuple[int, int, int]
    given: tuple[int, ...]
    bounded: bool

    @property
    def pixels(self) -> int:
        """Numbers of a sample."""
        channels, height, width = self.shape
        return channels * height * width

    @property
    def outputs(self) -> int:
        """Numbers that a network gives for a sample; 0 where nothing says how many."""
        raise NotImplementedError


@dataclass(frozen=True)
class ImageInfo(SampleInfo):
    """Images, or other samples, and their classes; see `SampleInfo`.

    Attributes:
        classes: number of classes.
        labels: what a file calls the classes, in order; () where that is 0, 1, 2 ...
    """

    reads = "images"
    classes: int
    shape: tuple[int, int, int]
    given: tuple[int, ...] = ()
    bounded: bool = True
    labels: tuple[int | str, ...] = ()

    @property
    def outputs(self) -> int:
        """An output for each class."""
        return self.classes


@dataclass(frozen=True)
class NumberInfo(SampleInfo):
    """Samples with numbers as their answers; see `SampleInfo`.

    Attributes:
        numbers: numbers of an answer.
    """

    reads = "samples whose answers are numbers"
    numbers: int
    shape: tuple[int, int, int]
    given: tuple[int, ...] = ()
    bounded: bool = True

    @property
    def outputs(self) -> int:
        """An output for each number."""
        return self.numbers


@dataclass(frozen=True)
class BareInfo(SampleInfo):
    """Samples without answers; see `SampleInfo`."""

    reads = "samples without answers"
    shape: tuple[int, int, int]
    given: tuple[int, ...] = ()
    bounded: bool = True

    @property
    def outputs(self) -> int:
        """Nothing says how many."""
        return 0


@dataclass(frozen=True)
class TextInfo(DataInfo):
    """Text as characters, each of which is a sample.

    Attributes:
        symbols: size of the alphabet.
    """

    reads = "text"
    symbols: int


class Data(Protocol):
    """A data set in memory, split."""

    @property
    def name(self) -> str:
        """Its name in a study file."""
        ...

    @property
    def checksum(self) -> str:
        """SHA-256 of what was read, before any split."""
        ...

    @property
    def info(self) -> DataInfo:
        """What a network must know of it."""
        ...


class RawImages(NamedTuple):
    """The images of a data set as they were read.

    Attributes:
        train: training images, uint8, shape (images, channels * height * width), channel by channel, row by row.
        train_labels: their classes, int64, shape (images,), from 0.
        test: test images.
        test_labels: their classes.
        full_scale: the value of a pixel that stands for 1.
    """

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    full_scale: float


class AbstractData(Spec):
    """The workload: a data set and how much of it is used. Its test samples are never trained on."""

    dataset: Any
    """Name of the data set: one string, a literal of its own in each."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Defaults that this data set brings for settings of other tables, by their paths."""
    is_public: ClassVar[bool] = False
    """Whether `dse data` can download it."""

    @property
    def info(self) -> DataInfo:
        """What the samples are, known without loading them."""
        raise NotImplementedError

    @classmethod
    def kind(cls, settings: Mapping[str, Any]) -> type[DataInfo]:  # noqa: ARG003  for those whose samples differ
        """Return of what kind the samples are under settings of the table, by name: the same for most data sets."""
        return _kind_by_default(cls)

    @property
    def held_out(self) -> bool:
        """Whether there are samples beside the test samples for the search to measure on."""
        raise NotImplementedError

    def load(self) -> Data:
        """Load the samples; a process keeps some of what it has loaded.

        Raises:
            DataError: files are missing or unreadable; the message says what to do.
        """
        raise NotImplementedError

    @classmethod
    def download(cls, folder: Path) -> Path:  # noqa: ARG003  for those that have files
        """Download the files with their checksums below a folder, and return where they are.

        Raises:
            DataError: no mirror could be reached, or it has something else.
        """
        raise DataError(f"{cls.__name__} cannot be downloaded, nor need it be; its files are not public")


@lru_cache(maxsize=256)
def _kind_by_default(data: type[AbstractData]) -> type[DataInfo]:
    return type(data.model_validate({}).info)
