"""How samples fit an input, and how constants and sizes of a study file are read. Nothing here needs torch or onnx.

the input has one axis more than a sample   samples lie behind each other along its first axis
it has as many axes as a sample             each sample is a whole input, and they are fed one by one
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

Sizes = Sequence[int | str]
"""A size for each axis, or the name of one that is left open."""
CONSTANT = re.compile(r"(?P<name>.+?)\s*=\s*(?P<value>.+?)(?:\s+of\s+(?P<shape>\d+(?:\s*x\s*\d+)*))?\s*")
MOST_NUMBERS = 2**28
"""Numbers of an input that is given as a constant."""
SIZE = re.compile(r"(?P<name>.+?)\s*=\s*(?P<size>[1-9]\d*)\s*")
Layout = Literal["as it is", "channels last"]


@dataclass(frozen=True)
class Constant:
    """What an input gets.

    Attributes:
        value: a number, or nested lists of numbers.
        shape: the shape that a number fills; None for that of the input.
    """

    value: Any
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Fit:
    """How samples become an input.

    Attributes:
        stacked: samples lie along the first axis; else each is an input of its own.
        shape: shape of a sample as the input takes it.
        layout: whether channels are moved behind height and width.
        together: samples that the input takes at once; None for any number.
    """

    stacked: bool
    shape: tuple[int, ...]
    layout: Layout
    together: int | None


@dataclass(frozen=True)
class Wanted:
    """What a study file says of a network; see `dse.networks.onnx.spec.Onnx`.

    Attributes:
        input: the input that takes the samples; "" for the first.
        output: the output that is looked at; "" for the first.
        constants: what other inputs get.
        sizes: sizes that the file leaves open.
        decision: "auto", "largest" or "threshold".
        threshold: above which an output says yes.
        class_axis: the axis of the classes, or "auto".
    """

    input: str = ""
    output: str = ""
    constants: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    decision: str = "auto"
    threshold: float = 0.5
    class_axis: int | str = "auto"


def constants_of(texts: Sequence[str]) -> dict[str, Constant]:
    """Return constants by the names of inputs.

    Raises:
        ValueError: one cannot be read.
    """
    found: dict[str, Constant] = {}
    for text in texts:
        matched = CONSTANT.fullmatch(text)
        value = None if matched is None else _value(matched["value"])
        if matched is None or value is None or (matched["shape"] and isinstance(value, list)):
            msg = (
                f'network.constants: {text!r} cannot be read; give "NAME = NUMBER", "NAME = [LIST]", or '
                '"NAME = NUMBER of 2x1x128" for a shape that the file leaves open; numbers are finite, and lists '
                "inside a list equally long"
            )
            raise ValueError(msg)
        shape = None if matched["shape"] is None else tuple(map(int, matched["shape"].split("x")))
        if shape is not None and math.prod(shape) > MOST_NUMBERS:
            msg = f"network.constants: {text!r} has too large a shape; give at most {MOST_NUMBERS} numbers"
            raise ValueError(msg)
        found[matched["name"]] = Constant(value, shape)
    return found


def _value(text: str) -> float | list[Any] | None:
    """Return a finite number, or lists of them of equal length inside each other; None for anything else."""
    try:
        value = json.loads(text)
        return None if _sizes(value) is None else value
    except (ValueError, RecursionError):
        return None


def _sizes(value: object) -> tuple[int, ...] | None:
    """Return the sizes of nested lists, () for a finite number; None for anything else."""
    if isinstance(value, int):
        return () if abs(value) < 2**64 else None
    if isinstance(value, float):
        return () if math.isfinite(value) else None
    if not isinstance(value, list) or not value:
        return None
    inner = {_sizes(own) for own in cast("list[object]", value)}
    (own, *others) = inner
    return None if others or own is None else (len(cast("list[object]", value)), *own)


def sizes_of(texts: Sequence[str]) -> dict[str, int]:
    """Return sizes by their names.

    Raises:
        ValueError: one cannot be read.
    """
    found: dict[str, int] = {}
    for text in texts:
        matched = SIZE.fullmatch(text)
        if matched is None:
            msg = f'network.sizes: {text!r} cannot be read; give "NAME = SIZE", such as "length = 64"'
            raise ValueError(msg)
        found[matched["name"]] = int(matched["size"])
    return found


def check_samples(
    sizes: Sizes, named: Mapping[str, int], shape: tuple[int, int, int], given: Sequence[int], where: str
) -> Fit:
    """Return how samples fit an input.

    Args:
        sizes: sizes of the axes of the input.
        named: sizes that are left open, by name.
        shape: channels, height and width of a sample.
        given: its shape as its file has it; empty where that is `shape`.
        where: the input, for an error.

    Raises:
        ValueError: they do not.
    """
    wanted = [named.get(size, size) if isinstance(size, str) else size for size in sizes]
    own = tuple(given) or shape
    for stacked in (True, False):
        inner = wanted[1:] if stacked else wanted
        fitting = next((form for form in _forms(own, shape) if _fits(form[0], inner)), None)
        if fitting is not None:
            together = wanted[0] if stacked and isinstance(wanted[0], int) else None
            return Fit(stacked, *fitting, together)
    words = _words(wanted)
    msg = (
        f"{where} takes {words}, and a sample is {'x'.join(map(str, own))}; give samples of {_words(wanted[1:])}, "
        f"which lie behind each other along the first axis, or whole inputs of {words} as samples"
    )
    raise ValueError(msg)


def _words(sizes: Sizes) -> str:
    return "x".join(str(size or "?") for size in sizes) or "one number"


def _forms(given: tuple[int, ...], shape: tuple[int, int, int]) -> list[tuple[tuple[int, ...], Layout]]:
    """Return the shapes that a sample can take without a change of what it means, the likeliest first."""
    channels, height, width = shape
    moved: Layout = "as it is" if channels == 1 else "channels last"
    plain: Layout = "as it is"
    forms: list[tuple[tuple[int, ...], Layout]] = []
    if given == (height, width, channels):
        forms.append((given, moved))  # as the file has it
    elif len(given) < 3 or given == shape:
        forms.append((given, plain))
    forms.append((shape, plain))
    forms.append(((height, width, channels), moved))
    flat: list[tuple[int, ...]] = [(height, width), (math.prod(shape),)] if channels == 1 else []
    flat += [(width,), (width, 1), (1, width)] if channels == height == 1 else []
    forms.extend((own, plain) for own in flat)
    return forms


def _fits(shape: Sequence[int], sizes: Sizes) -> bool:
    """Return whether a shape is that of some axes, of which some are left open."""
    alike = len(shape) == len(sizes)
    return alike and all(isinstance(size, str) or size == own for own, size in zip(shape, sizes, strict=True))
