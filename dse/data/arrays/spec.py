"""Data of the user, from a file: its settings, and what is found in the file.

    npz         x_train, y_train, x_test, y_test; or x, y; without any y where the task needs no answers
    CSV, Parquet    a row a sample; `answer` names the columns of the answers, `split` one that says train or test
    a folder    idx files as those of MNIST: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..., packed or not

Where nothing says which samples are for the test, a share of them is drawn, stratified by class.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, cast

from annotated_types import Ge, Gt, Le
from pydantic import Strict, model_validator

from dse.data.arrays.facts import ArrayFacts
from dse.data.base import AbstractData, BareInfo, DataInfo, ImageInfo, NumberInfo, SampleInfo
from dse.files import Content, FileSpec
from dse.spec import Found

if TYPE_CHECKING:
    from dse.data.images import Dataset

MOST_SAMPLES = 100_000_000
KINDS: dict[str, type[DataInfo]] = {"classes": ImageInfo, "numbers": NumberInfo, "none": BareInfo}
"""What samples are, by what their answers are."""


class Arrays(AbstractData, FileSpec):
    """Data of your own from a file: arrays (npz), a table (CSV, Parquet) or a folder of idx files."""

    dataset: Literal["arrays"] = "arrays"
    """Data of your own from a file: arrays, a table, or a folder of idx files."""
    file: str = ""
    """The file, as a path from the folder of the study file: NAME.npz, NAME.csv, NAME.parquet, or a folder of idx
    files. A design knows it by its checksum."""
    answer: str | Annotated[tuple[str, ...], Strict(strict=False)] = ""
    """The column of a table that holds the answers, or several of numbers."""
    answers: Literal["auto", "classes", "numbers", "none"] = "auto"
    """What the answers are: classes, which can be integers or text; numbers, which are standardised and learned on the
    squared error; or none. "auto": integers and text are classes, other numbers are numbers."""
    split: str = ""
    """The column of a table that says of each sample "train" or "test", or true for the test; by default test samples
    are drawn."""
    test: Annotated[float, Gt(0.0), Le(0.5)] = 0.2
    """Share of the samples drawn for the test, stratified by class, where the file does not say which those are."""
    channels: Literal["auto", "first", "last"] = "auto"
    """Where samples of three dimensions have their channels; "auto": the one dimension at an end that is at most 4."""
    scaling: Literal["auto", "bytes", "range", "features", "none"] = "auto"
    """How inputs come into [0, 1]: "bytes" divides by 255, "range" takes the range of all training samples, "features"
    that of each feature alone; what lies beyond is cut. "none" leaves them. "auto": "bytes" for bytes, "features" for
    vectors, "range" for others."""
    validation: Annotated[float, Ge(0.0), Le(0.5)] = 0.25
    """Share of the training samples held out, stratified by class, for the search to measure on; 0 holds out none."""
    samples: Annotated[int, Ge(2), Le(MOST_SAMPLES)] | Literal["all"] = "all"
    """Training samples to learn from, as many of each class, of those that are not held out; fewer than all make a
    scaled experiment."""
    found: Annotated[ArrayFacts | None, Found()] = None
    """What was found in the file."""

    looks_at: ClassVar[tuple[str, ...]] = ("file", "answer", "answers", "split", "test", "channels", "scaling")

    @classmethod
    def look(cls, settings: Mapping[str, Any], content: Content) -> Mapping[str, Any]:
        """Return what there is to know of the file; see `FileSpec`."""
        from dse.data.arrays.parts import parts_of  # noqa: PLC0415  numpy and, for tables, polars

        return parts_of(settings, content).facts()

    @classmethod
    def kind(cls, settings: Mapping[str, Any]) -> type[DataInfo]:
        """Return of what kind the samples are: it follows from the answers; see `AbstractData`."""
        found = cast("Mapping[str, Any]", settings.get("found") or {})
        return KINDS.get(found.get("answers", ""), ImageInfo)

    @property
    def facts(self) -> ArrayFacts:
        """What was found in the file; see `FileSpec`."""
        return cast("ArrayFacts", super().facts)

    @property
    def info(self) -> SampleInfo:
        """What the samples are."""
        facts = self.facts
        samples = self._kept if self.samples == "all" else self.samples
        bounded = facts.scaling != "none" or (facts.low >= 0.0 and facts.high <= 1.0)
        about: dict[str, Any] = {"shape": shape_of(facts.sample, facts.channels), "given": facts.sample}
        if facts.answers == "classes":
            return ImageInfo(samples, facts.classes, bounded=bounded, labels=facts.labels, **about)
        if facts.answers == "numbers":
            return NumberInfo(samples, facts.numbers, bounded=bounded, **about)
        return BareInfo(samples, bounded=bounded, **about)

    @property
    def held_out(self) -> bool:
        """Whether training samples are held out."""
        return self.validation > 0.0

    def load(self) -> "Dataset":
        """Load the samples; a process keeps the last two data sets."""
        from dse.data.arrays.load import load_arrays  # noqa: PLC0415  torch, which a check does without

        return load_arrays(self)  # pyright: ignore[reportArgumentType]  frozen, so it has a hash

    def whole(self) -> Self:
        """Return the same data set with nothing held out or left out."""
        return self.model_copy(update={"validation": 0.0, "samples": "all"})

    @property
    def _kept(self) -> int:
        # As `dse.data.arrays.draws.drawn` has it: one sample of each class is left to learn from.
        facts = self.facts
        return max(facts.training - math.ceil(self.validation * facts.training), facts.classes, 1)

    @model_validator(mode="after")
    def _some_are_held_out(self) -> Self:
        if self.found is None or not self.held_out or self._kept < self.found.training:
            return self
        of = f", of {self.found.classes} classes, and one of each stays" if self.found.classes else ", and one stays"
        msg = (
            f"validation = {self.validation} holds out none: {self.file} has {self.found.training} for training"
            f"{of} to learn from; add samples, or give validation = 0"
        )
        raise ValueError(msg)

    @model_validator(mode="after")
    def _samples_are_there(self) -> Self:
        if self.found is None or self.samples == "all":
            return self
        if self.samples > self._kept:
            msg = f"samples = {self.samples}, and {self.file} has {self._kept} that are not held out"
            raise ValueError(msg)
        if self.samples < self.found.classes:
            msg = f"samples = {self.samples} are fewer than the {self.found.classes} classes; give more"
            raise ValueError(msg)
        return self


def shape_of(sample: tuple[int, ...], channels: str) -> tuple[int, int, int]:
    """Return channels, height and width of samples of a shape; a vector is an image of one row."""
    if len(sample) == 1:
        return 1, 1, sample[0]
    if len(sample) == 2:
        return 1, *sample
    a, b, c = sample
    return (c, a, b) if channels == "last" else (a, b, c)
