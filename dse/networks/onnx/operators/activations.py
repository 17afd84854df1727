"""Activation functions."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dse.networks.onnx.operators.node import Node

SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


def relu(node: Node, x: Tensor) -> Tensor:  # noqa: ARG001
    """max(0, x)."""
    return torch.relu(x)


def leaky_relu(node: Node, x: Tensor) -> Tensor:
    """x, below zero alpha x."""
    return functional.leaky_relu(x, node.get("alpha", 0.01))


def prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:  # noqa: ARG001
    """x, below zero a learned slope times x."""
    return torch.where(x < 0, x * slope, x)


def elu(node: Node, x: Tensor) -> Tensor:
    """x, below zero alpha (exp(x) - 1)."""
    return torch.where(x < 0, node.get("alpha", 1.0) * torch.expm1(x), x)


def celu(node: Node, x: Tensor) -> Tensor:
    """x, below zero alpha (exp(x / alpha) - 1)."""
    alpha = node.get("alpha", 1.0)
    return x.clamp_min(0.0) + (alpha * torch.expm1(x / alpha)).clamp_max(0.0)


def selu(node: Node, x: Tensor) -> Tensor:
    """An ELU and a factor."""
    alpha, gamma = node.get("alpha", SELU_ALPHA), node.get("gamma", SELU_GAMMA)
    return gamma * torch.where(x <= 0, alpha * torch.expm1(x), x)


def sigmoid(node: Node, x: Tensor) -> Tensor:  # noqa: ARG001
    """1 / (1 + exp(-x))."""
    return torch.sigmoid(x)


def tanh(node: Node, x: Tensor) -> Tensor:  # noqa: ARG001
    """The hyperbolic tangent."""
    return torch.tanh(x)


def hard_sigmoid(node: Node, x: Tensor) -> Tensor:
    """Alpha x + beta, cut at 0 and 1."""
    return (node.get("alpha", 0.2) * x + node.get("beta", 0.5)).clamp(0.0, 1.0)


def hard_swish(node: Node, x: Tensor) -> Tensor:  # noqa: ARG001
    """X times (x / 6 + 1/2), cut at 0 and 1."""
    return x * (x / 6.0 + 0.5).clamp(0.0, 1.0)


def softplus(node: Node, x: Tensor) -> Tensor:  # noqa: ARG001
    """ln(1 + exp(x))."""
    return functional.softplus(x)


def softsign(node: Node, x: Tensor) -> Tensor:  # noqa: ARG001
    """X / (1 + |x|)."""
    return functional.softsign(x)


def thresholded_relu(node: Node, x: Tensor) -> Tensor:
    """X where it is above alpha, else 0."""
    return torch.where(x > node.get("alpha", 1.0), x, 0.0)


def mish(node: Node, x: Tensor) -> Tensor:  # noqa: ARG001
    """X tanh(softplus(x))."""
    return functional.mish(x)


def swish(node: Node, x: Tensor) -> Tensor:
    """X sigmoid(alpha x)."""
    return x * torch.sigmoid(node.get("alpha", 1.0) * x)


def gelu(node: Node, x: Tensor) -> Tensor:
    """X times the normal distribution at x, or its approximation by tanh."""
    return functional.gelu(x, approximate=node.get("approximate", "none"))


def shrink(node: Node, x: Tensor) -> Tensor:
    """X moved towards zero by a bias, and 0 near zero."""
    bias, near = node.get("bias", 0.0), node.get("lambd", 0.5)
    return torch.where(x < -near, x + bias, torch.where(x > near, x - bias, torch.zeros_like(x)))


def over_classes(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return an operator along an axis; until opset 12 along that axis and all behind it, as one."""

    def operator(node: Node, x: Tensor) -> Tensor:
        if node.opset >= 13:
            return function(x, dim=node.get("axis", -1))
        axis = node.get("axis", 1) % max(x.dim(), 1)
        return function(x.flatten(axis), dim=-1).reshape(x.shape)

    return operator


def hardmax(x: Tensor, dim: int) -> Tensor:
    """Return 1 for the first largest number along an axis, and 0 for the others."""
    first = (x == x.amax(dim, keepdim=True)).to(torch.int8).cumsum(dim) == 1
    return (first & (x == x.amax(dim, keepdim=True))).to(x.dtype)


OPERATORS: Mapping[str, Callable[..., Tensor]] = {
    "Celu": celu,
    "Elu": elu,
    "Gelu": gelu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Hardmax": over_classes(hardmax),
    "LeakyRelu": leaky_relu,
    "LogSoftmax": over_classes(torch.log_softmax),
    "Mish": mish,
    "PRelu": prelu,
    "Relu": relu,
    "Selu": selu,
    "Shrink": shrink,
    "Sigmoid": sigmoid,
    "Softmax": over_classes(torch.softmax),
    "Softplus": softplus,
    "Softsign": softsign,
    "Swish": swish,
    "Tanh": tanh,
    "ThresholdedRelu": thresholded_relu,
}
"""Operators by name."""


def _affine(x: Tensor, alpha: float, beta: float) -> Tensor:
    return alpha * x + beta


def _scaled_tanh(x: Tensor, alpha: float, beta: float) -> Tensor:
    return alpha * torch.tanh(beta * x)


def _leaky(x: Tensor, alpha: float) -> Tensor:
    return functional.leaky_relu(x, alpha)


def _above(x: Tensor, alpha: float) -> Tensor:
    return torch.where(x > alpha, x, 0.0)


def _hard_sigmoid(x: Tensor, alpha: float, beta: float) -> Tensor:
    return (alpha * x + beta).clamp(0.0, 1.0)


GATES: Mapping[str, tuple[Callable[..., Any], tuple[float, ...]]] = {
    "relu": (torch.relu, ()),
    "tanh": (torch.tanh, ()),
    "sigmoid": (torch.sigmoid, ()),
    "softsign": (functional.softsign, ()),
    "softplus": (functional.softplus, ()),
    "affine": (_affine, (1.0, 0.0)),
    "leakyrelu": (_leaky, (0.01,)),
    "thresholdedrelu": (_above, (1.0,)),
    "scaledtanh": (_scaled_tanh, (1.0, 1.0)),
    "hardsigmoid": (_hard_sigmoid, (0.2, 0.5)),
    "elu": (functional.elu, (1.0,)),
}
"""Functions of the gates of recurrent operators by name, with the defaults of their parameters."""


def gate(name: str, alphas: list[float], betas: list[float]) -> Callable[[Tensor], Tensor]:
    """Return the function of a gate; what parameters it has are taken from the front of two lists.

    Raises:
        KeyError: there is no such function.
    """
    if name.lower() not in GATES:
        raise KeyError(name)
    function, defaults = GATES[name.lower()]
    pairs = zip(("alpha", "beta"), defaults, (alphas, betas), strict=False)
    return partial(function, **{own: given.pop(0) if given else default for own, default, given in pairs})
