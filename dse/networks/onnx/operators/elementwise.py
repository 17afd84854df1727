"""Operators that take numbers one by one: arithmetic, comparison, logic."""

import math
from collections.abc import Callable, Mapping
from functools import reduce

import torch
from torch import Tensor

from dse.networks.onnx.operators.node import Node, number

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _plain(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return an operator for a function that needs nothing of its node."""

    def operator(node: Node, *inputs: Tensor) -> Tensor:  # noqa: ARG001
        return function(*inputs)

    return operator


def _of_many(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Return an operator that takes any number of inputs, two by two."""

    def operator(node: Node, *inputs: Tensor) -> Tensor:  # noqa: ARG001
        return reduce(function, inputs)

    return operator


def divide(node: Node, a: Tensor, b: Tensor) -> Tensor:  # noqa: ARG001
    """Divide; integers towards zero."""
    return a / b if a.dtype in FLOATS else torch.div(a, b, rounding_mode="trunc")


def power(node: Node, base: Tensor, exponent: Tensor) -> Tensor:  # noqa: ARG001
    """Raise to a power, in the kind of number of the base."""
    if base.dtype in FLOATS:
        # A whole exponent is exact as a number; as a tensor it would pass through a logarithm.
        alone = exponent.numel() == 1 and exponent.dim() <= base.dim()
        return base.pow(number(exponent)) if alone else base.pow(exponent.to(base.dtype))
    return base.double().pow(exponent.double()).to(base.dtype)


def modulo(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """Return the rest; of the sign of the divisor, or of the dividend as C has it."""
    return torch.fmod(a, b) if node.get("fmod", 0) else torch.remainder(a, b)


def mean(node: Node, *inputs: Tensor) -> Tensor:  # noqa: ARG001
    """Return the mean of tensors."""
    return reduce(torch.add, inputs) / len(inputs)


def clip(node: Node, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Cut at two ends, given as inputs or as attributes."""
    ends = [node.get(name) if given is None else number(given) for name, given in (("min", low), ("max", high))]
    if ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
        return torch.full_like(x, ends[1])
    return x if ends == [None, None] else x.clamp(*ends)


def shift(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """Shift bits."""
    a_, b_ = a.to(torch.int64), b.to(torch.int64)
    return ((a_ << b_) if node.get("direction") == "LEFT" else (a_ >> b_)).to(a.dtype)


def is_infinite(node: Node, x: Tensor) -> Tensor:
    """Say which numbers are infinite, on both sides or one."""
    above, below = (x == math.inf) & bool(node.get("detect_positive", 1)), x == -math.inf
    return above | (below & bool(node.get("detect_negative", 1)))


def logic(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Return an operator on truth values."""

    def operator(node: Node, a: Tensor, b: Tensor) -> Tensor:  # noqa: ARG001
        return function(a.bool(), b.bool())

    return operator


OPERATORS: Mapping[str, Callable[..., Tensor]] = {
    "Abs": _plain(torch.abs),
    "Acos": _plain(torch.acos),
    "Acosh": _plain(torch.acosh),
    "Add": _plain(torch.add),
    "And": logic(torch.logical_and),
    "Asin": _plain(torch.asin),
    "Asinh": _plain(torch.asinh),
    "Atan": _plain(torch.atan),
    "Atanh": _plain(torch.atanh),
    "BitShift": shift,
    "BitwiseAnd": _plain(torch.bitwise_and),
    "BitwiseNot": _plain(torch.bitwise_not),
    "BitwiseOr": _plain(torch.bitwise_or),
    "BitwiseXor": _plain(torch.bitwise_xor),
    "Ceil": _plain(torch.ceil),
    "Clip": clip,
    "Cos": _plain(torch.cos),
    "Cosh": _plain(torch.cosh),
    "Div": divide,
    "Equal": _plain(torch.eq),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Floor": _plain(torch.floor),
    "Greater": _plain(torch.gt),
    "GreaterOrEqual": _plain(torch.ge),
    "IsInf": is_infinite,
    "IsNaN": _plain(torch.isnan),
    "Less": _plain(torch.lt),
    "LessOrEqual": _plain(torch.le),
    "Log": _plain(torch.log),
    "Max": _of_many(torch.maximum),
    "Mean": mean,
    "Min": _of_many(torch.minimum),
    "Mod": modulo,
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "Not": _plain(torch.logical_not),
    "Or": logic(torch.logical_or),
    "Pow": power,
    "Reciprocal": _plain(torch.reciprocal),
    "Round": _plain(torch.round),
    "Sign": _plain(torch.sign),
    "Sin": _plain(torch.sin),
    "Sinh": _plain(torch.sinh),
    "Sqrt": _plain(torch.sqrt),
    "Sub": _plain(torch.sub),
    "Sum": _of_many(torch.add),
    "Tan": _plain(torch.tan),
    "Where": _plain(torch.where),
    "Xor": logic(torch.logical_xor),
}
"""Operators by name."""
