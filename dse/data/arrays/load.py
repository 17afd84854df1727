"""The samples of a file as tensors, scaled and divided."""

import hashlib
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from dse.data.arrays.draws import drawn, evenly
from dse.data.arrays.facts import ArrayFacts
from dse.data.arrays.given import Array
from dse.data.arrays.parts import Parts, parts_of
from dse.data.images import Dataset, Source, Split
from dse.files import Content, check_same

BYTES = 255.0


class Workload(Source, Protocol):
    """What samples are loaded for; see `dse.data.arrays.spec.Arrays`."""

    looks_at: ClassVar[tuple[str, ...]]
    model_fields: ClassVar[Any]

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        ...

    @property
    def validation(self) -> float:
        """Share of the training samples held out."""
        ...

    @property
    def samples(self) -> int | str:
        """Training samples to keep of the others, as many of each class; or "all"."""
        ...

    @property
    def facts(self) -> ArrayFacts:
        """What was found in the file."""
        ...

    def content(self) -> Content:
        """Return the file."""
        ...


@lru_cache(maxsize=2)
def load_arrays(workload: Workload) -> Dataset:
    """Load the samples of a workload; a process keeps the last two.

    Raises:
        DataError: the file is missing, or has changed.
    """
    facts = workload.facts
    content = workload.content()
    parts = parts_of(_given(workload), content)
    if content.place is not None:
        check_same(content.place, facts.sha256)
    x, x_test, full_scale = _scaled(parts)
    y, y_test = (_standard(own, facts) for own in (parts.y, parts.y_test))
    kept, held_out = np.arange(len(x)), None
    if workload.validation > 0.0:
        out = drawn(workload.validation, parts.groups, "validation samples")
        kept, held_out = np.flatnonzero(~out), _split(x[out], y[out], full_scale)
    if isinstance(workload.samples, int):
        kept = kept[evenly(parts.groups[kept], workload.samples)]
    return Dataset(
        name=workload.dataset,
        train=_split(x[kept], y[kept], full_scale),
        validation=held_out,
        test=_split(x_test, y_test, full_scale),
        classes=facts.classes,
        checksum=_checksum(parts),
        shape=workload.info.shape,
        source=workload,
    )


def _given(workload: Workload) -> dict[str, object]:
    """Return the settings that decide what is found, without those that are as nobody gave them."""
    fields = type(workload).model_fields
    return {name: own for name in workload.looks_at if (own := getattr(workload, name)) != fields[name].default}


def _scaled(parts: Parts) -> tuple[Array, Array, float]:
    """Return training and test samples, float32 or bytes, and the value that stands for 1."""
    x, x_test = parts.x, parts.x_test
    if x.dtype == x_test.dtype == np.uint8 and parts.scaling in ("bytes", "none"):
        return x, x_test, BYTES if parts.scaling == "bytes" else 1.0
    if parts.scaling == "none":
        return x.astype(np.float32), x_test.astype(np.float32), 1.0
    axis = 0 if parts.scaling == "features" else None
    low, high = x.min(axis=axis).astype(np.float64), x.max(axis=axis).astype(np.float64)
    span = np.where(high > low, high - low, 1.0)
    scaled = [np.clip((own - low) / span, 0.0, 1.0).astype(np.float32) for own in (x, x_test)]
    return scaled[0], scaled[1], 1.0


def _standard(y: Array, facts: ArrayFacts) -> Array:
    """Return answers as they are learned: classes as they are, numbers of mean 0 and deviation 1 in the training."""
    if facts.answers == "classes":
        return y
    if not facts.numbers:
        return np.zeros((len(y), 0), np.float32)
    return ((y - np.array(facts.means)) / np.array(facts.deviations)).astype(np.float32)


def _split(x: Array, y: Array, full_scale: float) -> Split:
    return Split(torch.from_numpy(np.require(x, requirements=["C", "W"])), torch.from_numpy(y.copy()), full_scale)


def _checksum(parts: Parts) -> str:
    digest = hashlib.sha256()
    for array in (parts.x, parts.y, parts.x_test, parts.y_test):
        digest.update(np.ascontiguousarray(array).tobytes())  # also of an array without numbers
    return digest.hexdigest()
