"""The samples of a file, checked and divided: what a design must know of them, and what it learns from.

Nothing here needs torch: a study is checked with it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dse.data.arrays.checks import (
    Answers,
    Labels,
    answers_of,
    channels_of,
    check_numbers,
    check_samples,
    coded,
    numbers_of,
    scaling_of,
    whole_of,
)
from dse.data.arrays.draws import drawn
from dse.data.arrays.given import Array, Given, Part
from dse.data.arrays.read import given_in
from dse.errors import SettingError
from dse.files import Content

TEST = 0.2
"""Share of the samples drawn for the test, where nothing else is said."""


@dataclass(frozen=True)
class Parts:
    """Samples and answers, divided into training and test.

    Attributes:
        x: training samples as they are in the file, shape (samples, numbers), channel by channel, row by row.
        y: their answers: classes from 0, int64, shape (samples,); or numbers, float64, shape (samples, numbers).
        x_test: test samples.
        y_test: their answers.
        answers: what the answers are.
        labels: what classes are called, in order.
        sample: shape of a sample in the file.
        channels: "first", "last", or "none" for samples of fewer than three dimensions.
        scaling: how inputs are scaled.
    """

    x: Array
    y: Array
    x_test: Array
    y_test: Array
    answers: Answers
    labels: Labels
    sample: tuple[int, ...]
    channels: str
    scaling: str

    def facts(self) -> dict[str, Any]:
        """Return what a design must know; see `dse.data.arrays.spec.ArrayFacts`."""
        found: dict[str, Any] = {
            "answers": self.answers,
            "training": len(self.x),
            "test": len(self.x_test),
            "sample": self.sample,
            "channels": self.channels,
            "type": str(self.x.dtype),
            "scaling": self.scaling,
            "low": float(self.x.min()),
            "high": float(self.x.max()),
        }
        if self.answers == "classes":
            plain = self.labels == tuple(range(len(self.labels)))
            return {**found, "classes": len(self.labels), "labels": () if plain else self.labels}
        if self.answers == "numbers":
            means = [math.fsum(column) / len(column) for column in self.y.T]
            squares = [
                math.fsum((column - mean) ** 2) / len(column) for column, mean in zip(self.y.T, means, strict=True)
            ]
            deviations = tuple(math.sqrt(square) for square in squares)
            return {**found, "numbers": self.y.shape[1], "means": tuple(means), "deviations": deviations}
        return found

    @property
    def groups(self) -> Array:
        """Return the group of each training sample for draws, int64: its class, or one for all."""
        return self.y if self.answers == "classes" else np.zeros(len(self.x), np.int64)


def parts_of(settings: Mapping[str, Any], content: Content) -> Parts:
    """Return the samples of a file, divided into training and test.

    Args:
        settings: those that decide it, by name, where they are given; see `dse.data.arrays.spec.Arrays`.
        content: the file.

    Raises:
        DataError: it holds what cannot be learned; what came, what is needed.
        SettingError: a setting does not fit it.
    """
    name = content.name
    given = tuple(Part(own.what, _with_samples(own.x), own.y) for own in given_in(settings, content))
    check_samples(given, name)
    sample = given[0].x.shape[1:]
    channels, answers = channels_of(sample, settings, name), answers_of(given, settings, name)
    labels, ys = _coded(given, answers, name)
    xs = [_rows(own.x, channels) for own in given]
    if len(given) == 1:
        groups = ys[0] if answers == "classes" else np.zeros(len(ys[0]), np.int64)
        is_test = drawn(settings.get("test", TEST), groups, "test samples")
        xs, ys = ([own[0][~is_test], own[0][is_test]] for own in (xs, ys))
    elif "test" in settings:
        raise SettingError(f"workload.test has no effect: {name} says which samples are for the test; remove it")
    if answers == "numbers":
        check_numbers(ys, name)
    scaling = scaling_of(xs, sample, settings, name)
    return Parts(xs[0], ys[0], xs[1], ys[1], answers, labels, sample, channels, scaling)


def _with_samples(x: Array) -> Array:
    """Return samples that are single numbers as vectors of one, and bits as bytes."""
    x = x[:, None] if x.ndim == 1 else x
    return x.astype(np.uint8) if x.dtype.kind == "b" else x


def _rows(x: Array, channels: str) -> Array:
    """Return samples as rows of numbers, channel by channel, row by row."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1) if channels == "last" else x).reshape(len(x), -1)


def _coded(given: Given, answers: Answers, name: str) -> tuple[Labels, list[Array]]:
    """Return what classes are called, in order, and the answers of each part: classes from 0, or numbers."""
    if answers == "classes":
        return coded([whole_of(own, name) for own in given], name)
    if answers == "numbers":
        return (), [numbers_of(own, name) for own in given]
    return (), [np.zeros((len(own.x), 0), np.float64) for own in given]
