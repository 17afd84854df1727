"""What samples and answers must be to be learned; what is not is said in one message."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from dse.data.arrays.given import Array, Given, Part
from dse.errors import DataError, SettingError
from dse.spec import shown

Answers = Literal["classes", "numbers", "none"]
Labels = tuple[int | str, ...]
FEW_CHANNELS = 4
"""Most channels of an image, where nothing says which dimension they are."""
EXACT = 2**24
"""Largest integer that float32 holds, like all below it."""
LARGEST_CLASS = 2**53
"""Largest whole float that stands for an integer without doubt."""
FAR = 1e30
"""Largest magnitude of a number; float32 ends a little above."""
CLOSE = 1e-30
"""Least standard deviation of a number; its square does not vanish in float64."""
APART = 1e15
"""Most standard deviations of a number away from the mean; float32 holds the square, which is learned."""
NUMBERS = 'If the answers are numbers, and no classes, give workload.answers = "numbers"'


def check_samples(given: Given, name: str) -> None:
    """Check that samples are finite numbers of one shape, and that there are as many answers.

    Raises:
        DataError: they are not.
    """
    for part in given:
        _check_numbers(part.x, f"{name}: {part.what}")
        if part.x.shape[1:] != given[0].x.shape[1:]:
            raise DataError(
                f"{name}: {part.what} are of shape {part.x.shape[1:]}, and {given[0].what} of {given[0].x.shape[1:]}; "
                "give one shape"
            )
        if part.y is not None and part.y.shape[:1] != part.x.shape[:1]:
            raise DataError(
                f"{name}: there are {len(part.x)} {part.what} and answers of shape {part.y.shape}; give one for each"
            )
    if len(given) == 1 and len(given[0].x) < 2:
        raise DataError(f"{name} has one sample; give some to learn from and some to measure on")


def _check_numbers(x: Array, what: str) -> None:
    if x.dtype.kind not in "buif":
        raise DataError(f"{what} are of {x.dtype}; give numbers")
    if not 1 <= x.ndim <= 4 or 0 in x.shape:
        raise DataError(
            f"{what} are of shape {x.shape}; give at least one, a vector, an image or an image with channels each: "
            "(samples, ...)"
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        where = tuple(np.argwhere(~np.isfinite(x))[0].tolist())
        raise DataError(f"{what} hold {x[where]} at {where}; give finite numbers")
    if max(abs(float(x.min())), abs(float(x.max()))) > FAR:
        raise DataError(f"{what} reach {FAR:g} in magnitude; give them in another unit")


def channels_of(sample: tuple[int, ...], settings: Mapping[str, Any], name: str) -> str:
    """Return where samples of a shape have their channels: "first", "last", or "none".

    Raises:
        SettingError: the setting has no effect, or is needed.
    """
    said = settings.get("channels", "auto")
    if len(sample) < 3:
        if said != "auto":
            raise SettingError(f"workload.channels has no effect: samples of {name} are of shape {sample}; remove it")
        return "none"
    if said != "auto":
        return said
    first, last = sample[0] <= FEW_CHANNELS, sample[-1] <= FEW_CHANNELS
    if first == last:
        raise SettingError(
            f"workload.channels is missing: samples of {name} are of shape {sample}, and may have their channels first "
            'or last; give "first" or "last"'
        )
    return "first" if first else "last"


def answers_of(given: Given, settings: Mapping[str, Any], name: str) -> Answers:
    """Return what the answers are, as it is said or as they look.

    Raises:
        DataError: they are not what is said.
    """
    said, y = settings.get("answers", "auto"), given[0].y
    if y is None and said in ("classes", "numbers"):
        raise DataError(f'{name} has no answers, and workload.answers = "{said}"; add them')
    if y is None or said == "none":
        return "none"
    for part in given:
        own = y if part.y is None else part.y
        if own.dtype.kind not in "buifUS":
            raise DataError(f"{name}: the answers are of {own.dtype}; give numbers, or text for classes")
        if own.dtype.kind == "f" and not np.isfinite(own).all():
            raise DataError(f"{name}: an answer is {own[~np.isfinite(own)][0]}; give finite numbers")
    kind: Answers = said if said != "auto" else "numbers" if y.dtype.kind == "f" else "classes"
    if kind == "numbers" and y.dtype.kind in "US":
        raise DataError(f'{name}: the answers are text, and workload.answers = "numbers"; give numbers')
    return kind


def numbers_of(part: Part, name: str) -> Array:
    """Return answers as numbers, float64, shape (samples, numbers).

    Raises:
        DataError: they are none, or too large.
    """
    y = np.zeros(0) if part.y is None else part.y
    if not 1 <= y.ndim <= 2 or 0 in y.shape or y.dtype.kind not in "buif":
        raise DataError(
            f"{name}: answers of {part.what} are {y.dtype} of shape {y.shape}; give numbers, (samples,) or (samples, "
            "numbers)"
        )
    if np.abs(y.astype(np.float64)).max() > FAR:
        raise DataError(f"{name}: an answer is beyond {FAR:g} in magnitude; give it in another unit")
    return y.astype(np.float64).reshape(len(y), -1)


def check_numbers(ys: list[Array], name: str) -> None:
    """Check that answers vary, have the same length everywhere, and can be standardised.

    Raises:
        DataError: they do not.
    """
    flat = np.flatnonzero(ys[0].min(axis=0) == ys[0].max(axis=0)).tolist()
    if flat:
        raise DataError(f"{name}: number {flat[0]} of the answers is {ys[0][0, flat[0]]} for every training sample")
    if ys[0].shape[1] != ys[-1].shape[1]:
        raise DataError(f"{name}: answers have {ys[0].shape[1]} numbers, in the test {ys[-1].shape[1]}")
    _check_spread(ys, name)


def _check_spread(ys: list[Array], name: str) -> None:
    deviations = ys[0].std(axis=0)
    if small := np.flatnonzero(deviations < CLOSE).tolist():
        raise DataError(
            f"{name}: the standard deviation of number {small[0]} of the answers is below {CLOSE:g}; give it in "
            "another unit"
        )
    apart = np.max([np.abs((own - ys[0].mean(axis=0)) / deviations).max(axis=0) for own in ys], axis=0)
    if wide := np.flatnonzero(apart > APART).tolist():
        raise DataError(
            f"{name}: number {wide[0]} of the answers is in the test {apart[wide[0]]:g} standard deviations of the "
            "training samples away from their mean; both must be of one kind"
        )


def whole_of(part: Part, name: str) -> Array:
    """Return answers that are classes as text or integers, shape (samples,).

    Raises:
        DataError: they are no classes.
    """
    y: Array = np.zeros(0) if part.y is None else part.y
    y = y.reshape(len(y)) if y.shape[1:] == (1,) else y
    if y.ndim != 1:
        raise DataError(f"{name}: answers of shape {y.shape} are no classes, of which a sample has one. {NUMBERS}")
    if y.dtype.kind == "f":
        odd = (y != np.floor(y)) | (np.abs(y) > LARGEST_CLASS)
        if odd.any():
            raise DataError(f"{name}: the answer {y[odd][0]} is no class; give integers or text. {NUMBERS}")
    if y.dtype.kind == "u" and y.max() > LARGEST_CLASS:
        raise DataError(f"{name}: the answer {y.max()} is beyond {LARGEST_CLASS}; give smaller integers, or text")
    if y.dtype.kind == "S":
        return _decoded(y, name)
    return y if y.dtype.kind == "U" else y.astype(np.int64)


def _decoded(y: Array, name: str) -> Array:
    """Return bytes as text; bytes that are none would become one class, whatever they are."""
    try:
        return np.array([own.decode() for own in y.tolist()], np.str_)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: the answer {error.object!r} is no UTF-8 text; give text (numpy.str_) or integers"
        ) from None


def coded(ys: list[Array], name: str) -> tuple[Labels, list[Array]]:
    """Return what classes are called, in order, and the classes from 0, int64.

    Raises:
        DataError: there is one class alone, one of a single sample, or one in the test alone.
    """
    if len({own.dtype.kind for own in ys}) > 1:
        raise DataError(f"{name}: classes are text in one part and integers in the other; give one kind")
    labels, counts = np.unique(np.concatenate(ys), return_counts=True)
    if len(labels) < 2:
        alone = shown(labels[0].item())
        raise DataError(f"{name}: all samples are of the class {alone}; there is nothing to tell apart")
    if lone := labels[counts < 2].tolist():
        more = f", and so have {len(lone) - 1} others" if len(lone) > 1 else ""
        raise DataError(
            f"{name}: the class {shown(lone[0])} has one sample{more}; a class needs some to learn from and some to "
            f"measure on. {NUMBERS}"
        )
    if strange := sorted(set(ys[-1].tolist()) - set(ys[0].tolist())):
        raise DataError(f"{name}: the test has the class {shown(strange[0])}, and no training sample is of it")
    return tuple(labels.tolist()), [np.searchsorted(labels, own).astype(np.int64) for own in ys]


def scaling_of(xs: list[Array], sample: tuple[int, ...], settings: Mapping[str, Any], name: str) -> str:
    """Return how inputs are scaled, as it is said or as fits them; `xs` are training and test samples.

    Raises:
        DataError: all inputs are equal.
        SettingError: the setting does not fit them.
    """
    said, byte = settings.get("scaling", "auto"), all(x.dtype == np.uint8 for x in xs)
    if said == "bytes" and not byte:
        raise SettingError(f'workload.scaling = "bytes" needs bytes (uint8); {name} has {xs[0].dtype}; give another')
    if said == "none":
        if any(x.dtype.kind in "iu" and max(-int(x.min()), int(x.max())) > EXACT for x in xs):
            raise SettingError(f'workload.scaling = "none" takes integers up to {EXACT}; {name} has greater ones')
        return said
    if xs[0].min() == xs[0].max():
        raise DataError(
            f"{name}: every number of every training sample is {xs[0].flat[0] + 0}; there is nothing to learn"
        )
    bits = byte and all(x.max() <= 1 for x in xs)
    fitting = "range" if bits else "bytes" if byte else "features" if len(sample) == 1 else "range"
    return fitting if said == "auto" else said
