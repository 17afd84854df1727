"""Operators that put the numbers along some axes together."""

from collections.abc import Callable, Mapping
from functools import reduce

import torch
from torch import Tensor

from dse.networks.onnx.operators.node import Node, number
from dse.networks.onnx.operators.shapes import listed

Reduction = Callable[[Tensor, list[int], bool], Tensor]
"""(numbers, axes, whether these stay with size 1) -> what they come to."""


def reduction(function: Reduction) -> Callable[..., Tensor]:
    """Return an operator along axes that are given as an input or an attribute; all by default."""

    def operator(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
        own = listed(node, "axes", axes)
        if not own and node.get("noop_with_empty_axes", 0):
            return x
        return function(x, [axis % x.dim() for axis in own or range(x.dim())], bool(node.get("keepdims", 1)))

    return operator


def _prod(x: Tensor, axes: list[int], keep: bool) -> Tensor:  # noqa: FBT001
    whole = reduce(lambda found, axis: found.prod(axis, keepdim=True), axes, x)
    return (whole if keep or not axes else whole.squeeze(axes)).to(x.dtype)


def _sum(x: Tensor, axes: list[int], keep: bool) -> Tensor:  # noqa: FBT001
    return x.sum(axes, keepdim=keep, dtype=x.dtype) if axes else x


def _largest(x: Tensor, axes: list[int], keep: bool) -> Tensor:  # noqa: FBT001
    return x.amax(axes, keepdim=keep) if axes else x


def _least(x: Tensor, axes: list[int], keep: bool) -> Tensor:  # noqa: FBT001
    return x.amin(axes, keepdim=keep) if axes else x


def _mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:  # noqa: FBT001
    if not x.is_floating_point():
        return x.double().mean(axes, keepdim=keep).to(x.dtype) if axes else x
    return x.mean(axes, keepdim=keep) if axes else x


def _log_sum_exp(x: Tensor, axes: list[int], keep: bool) -> Tensor:  # noqa: FBT001
    return torch.logsumexp(x, axes, keepdim=keep) if axes else x


def running_sum(node: Node, x: Tensor, axis: Tensor) -> Tensor:
    """Add up along an axis, without the own entry or in reverse where asked."""
    at = int(number(axis))
    own = x.flip(at) if node.get("reverse", 0) else x
    sums = own.cumsum(at, dtype=x.dtype)
    sums = sums - own if node.get("exclusive", 0) else sums
    return sums.flip(at) if node.get("reverse", 0) else sums


OPERATORS: Mapping[str, Callable[..., Tensor]] = {
    "CumSum": running_sum,
    "ReduceL1": reduction(lambda x, axes, keep: _sum(x.abs(), axes, keep)),
    "ReduceL2": reduction(lambda x, axes, keep: _sum(x * x, axes, keep).sqrt().to(x.dtype)),
    "ReduceLogSum": reduction(lambda x, axes, keep: _sum(x, axes, keep).log()),
    "ReduceLogSumExp": reduction(_log_sum_exp),
    "ReduceMax": reduction(_largest),
    "ReduceMean": reduction(_mean),
    "ReduceMin": reduction(_least),
    "ReduceProd": reduction(_prod),
    "ReduceSum": reduction(_sum),
    "ReduceSumSquare": reduction(lambda x, axes, keep: _sum(x * x, axes, keep)),
}
"""Operators by name."""
