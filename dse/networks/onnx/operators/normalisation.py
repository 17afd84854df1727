"""Normalisations."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dse.networks.onnx.operators.node import Node


def by_channel(x: Tensor, values: Tensor) -> Tensor:
    """Return one value for each channel so that it meets a tensor (samples, channels, ...)."""
    return values.reshape(1, -1, *[1] * (x.dim() - 2))


def batch_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Normalise each channel by statistics that were learned."""
    check_inference(node)
    inverse = scale / torch.sqrt(variance + node.get("epsilon", 1e-5))
    return ((x - by_channel(x, mean)) * by_channel(x, inverse) + by_channel(x, bias)).to(x.dtype)


def check_inference(node: Node) -> None:
    """Refuse a batch normalisation by the statistics of the batch."""
    if node.get("training_mode", 0) or len([name for name in node.outputs if name]) > 1:
        raise node.refuse("it takes the statistics of the batch, as in training; export the network for inference")


def instance_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Normalise each channel of each sample by its own statistics."""
    own = _normalised(x.flatten(2), [-1], node.get("epsilon", 1e-5)).reshape(x.shape)
    return own * by_channel(x, scale) + by_channel(x, bias)


def _normalised(x: Tensor, axes: list[int], epsilon: float) -> Tensor:
    centred = x - x.mean(axes, keepdim=True)
    return centred / torch.sqrt(centred.square().mean(axes, keepdim=True) + epsilon)


def layer_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise each sample over its last axes; return also the mean and the inverse deviation."""
    axes = list(range(node.get("axis", -1) % x.dim(), x.dim()))
    own = x.float() if node.get("stash_type", 1) == 1 else x
    mean = own.mean(axes, keepdim=True)
    centred = own - mean
    inverse = 1.0 / torch.sqrt(centred.square().mean(axes, keepdim=True) + node.get("epsilon", 1e-5))
    y = (centred * inverse).to(x.dtype) * scale
    return (y if bias is None else y + bias), mean, inverse


def rms_norm(node: Node, x: Tensor, scale: Tensor) -> Tensor:
    """Divide each sample by its root mean square over its last axes."""
    axes = list(range(node.get("axis", -1) % x.dim(), x.dim()))
    own = x.float() if node.get("stash_type", 1) == 1 else x
    inverse = 1.0 / torch.sqrt(own.square().mean(axes, keepdim=True) + node.get("epsilon", 1e-5))
    return (own * inverse).to(x.dtype) * scale


def group_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Normalise groups of channels of each sample; scales are of groups until opset 20, then of channels."""
    groups = node.get("num_groups")
    own = _normalised(x.reshape(x.shape[0], groups, -1), [-1], node.get("epsilon", 1e-5)).reshape(x.shape)
    each = x.shape[1] // groups if scale.numel() == groups and node.opset < 21 else 1
    scale, bias = (values.repeat_interleave(each) for values in (scale, bias))
    return own * by_channel(x, scale) + by_channel(x, bias)


def local_response(node: Node, x: Tensor) -> Tensor:
    """Divide by what the neighbouring channels come to."""
    size, alpha = node.get("size"), node.get("alpha", 1e-4)
    before = (size - 1) // 2
    squares = functional.pad(x.square(), [0, 0] * (x.dim() - 2) + [before, size - 1 - before])
    sums = squares.unfold(1, size, 1).sum(-1)
    return x / (node.get("bias", 1.0) + alpha / size * sums).pow(node.get("beta", 0.75))


def lp_norm(node: Node, x: Tensor) -> Tensor:
    """Divide by the p-norm along an axis; zeros stay."""
    axis, p = node.get("axis", -1), node.get("p", 2)
    norm = x.abs().sum(axis, keepdim=True) if p == 1 else x.square().sum(axis, keepdim=True).sqrt()
    return torch.where(norm == 0, torch.zeros_like(x), x / norm)


def mean_variance(node: Node, x: Tensor) -> Tensor:
    """Normalise over some axes."""
    axes = node.get("axes", [0, 2, 3])
    centred = x - x.mean(axes, keepdim=True)
    return centred / (centred.square().mean(axes, keepdim=True).sqrt() + 1e-9)


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "BatchNormalization": batch_norm,
    "GroupNormalization": group_norm,
    "InstanceNormalization": instance_norm,
    "LRN": local_response,
    "LayerNormalization": layer_norm,
    "LpNormalization": lp_norm,
    "MeanVarianceNormalization": mean_variance,
    "RMSNormalization": rms_norm,
}
"""Operators by name."""
