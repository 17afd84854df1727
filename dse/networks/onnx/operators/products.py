"""Products and convolutions whose weights are not known before the graph runs; see `dse.networks.onnx.layers`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dse.networks.onnx.operators.node import Node, integers
from dse.networks.onnx.operators.windows import Pads, Windows, padded, pads_of, windows_of

_CONVOLUTIONS: Mapping[int, Callable[..., Tensor]] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED: Mapping[int, Callable[..., Tensor]] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


def convolution(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve, in one, two or three dimensions."""
    axes = weight.dim() - 2
    if axes not in _CONVOLUTIONS:
        raise node.refuse(f"a convolution in {axes} dimensions")
    windows = windows_of(node, weight.shape[2:])
    x = padded(x, pads_of(node, windows, x.shape[2:]))
    groups = node.get("group", 1)
    return _CONVOLUTIONS[axes](x, weight, bias, stride=windows.strides, dilation=windows.dilations, groups=groups)


def transposed_pads(node: Node, windows: Windows, sizes: Sequence[int]) -> tuple[Pads, list[int]]:
    """Return what is cut off a transposed convolution at both ends of each axis, and what is added behind."""
    axes = range(len(sizes))
    extra = list(node.get("output_padding", [0] * len(sizes)))
    whole = [(sizes[n] - 1) * windows.strides[n] + windows.reach[n] + extra[n] for n in axes]
    rule, wanted = node.get("auto_pad", "NOTSET"), node.get("output_shape")
    if wanted is None and rule in ("SAME_UPPER", "SAME_LOWER"):
        # A window shorter than its stride leaves places that nothing reaches; runtimes do not add them at the end.
        wanted = [min(sizes[n] * windows.strides[n], whole[n]) for n in axes]
    if wanted is None:
        given = [0] * 2 * len(sizes) if rule == "VALID" else list(node.get("pads", [0] * 2 * len(sizes)))
        return [(given[n], given[n + len(sizes)]) for n in axes], extra
    cuts: Pads = []
    for total in (whole[n] - wanted[len(wanted) - len(sizes) + n] for n in axes):
        less = total // 2
        cuts.append((less, total - less) if rule == "SAME_UPPER" else (total - less, less))
    return cuts, extra


def cropped(x: Tensor, cuts: Pads, extra: Sequence[int]) -> Tensor:
    """Return a transposed convolution with places added behind and cut off at both ends of its last axes."""
    return padded(x, [(-before, more - behind) for (before, behind), more in zip(cuts, extra, strict=True)])


def transposed_convolution(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve backwards: every input adds its weights to a window of the output."""
    axes = weight.dim() - 2
    if axes not in _TRANSPOSED:
        raise node.refuse(f"a convolution in {axes} dimensions")
    windows = windows_of(node, weight.shape[2:])
    cuts, extra = transposed_pads(node, windows, x.shape[2:])
    groups = node.get("group", 1)
    y = _TRANSPOSED[axes](x, weight, None, stride=windows.strides, dilation=windows.dilations, groups=groups)
    y = cropped(y, cuts, extra)
    return y if bias is None else y + bias.reshape(-1, *[1] * axes)


def matrix_product(node: Node, a: Tensor, b: Tensor) -> Tensor:  # noqa: ARG001
    """Return the product of matrices, or of stacks of them."""
    return torch.matmul(a, b)


def general_product(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """Return alpha a b + beta c, of matrices that may be transposed."""
    a = a.t() if node.get("transA", 0) else a
    b = b.t() if node.get("transB", 0) else b
    y = node.get("alpha", 1.0) * (a @ b) if node.get("alpha", 1.0) != 1.0 else a @ b
    return y if c is None else y + node.get("beta", 1.0) * c


def einsum(node: Node, *inputs: Tensor) -> Tensor:
    """Return a sum of products by indices."""
    text = node.get("equation")
    return torch.einsum(text.decode() if isinstance(text, bytes) else text, *inputs)


def _heads(x: Tensor, count: int) -> Tensor:
    """Return tokens of heads that stood side by side, shape (samples, heads, tokens, features)."""
    return x.reshape(*x.shape[:-1], count, -1).transpose(1, 2)


def attention(node: Node, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *rest: Any) -> Tensor:
    """Return values weighted by how queries meet keys, of heads that stand in an axis or side by side."""
    if any(more is not None for more in rest) or len([name for name in node.outputs if name]) > 1:
        raise node.refuse("an attention with past keys and values")
    known = {"is_causal", "kv_num_heads", "q_num_heads", "scale", "softmax_precision"}
    if more := [name for name, value in node.attributes.items() if name not in known and value]:
        raise node.refuse(f"its attribute {more[0]} is not supported")
    flat = query.dim() == 3
    if flat:
        counts = (node.get("q_num_heads"), node.get("kv_num_heads"), node.get("kv_num_heads"))
        query, key, value = (_heads(*own) for own in zip((query, key, value), counts, strict=True))
    y = functional.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=bool(node.get("is_causal", 0)),
        scale=node.get("scale"),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return y.transpose(1, 2).flatten(2) if flat else y


def columns_to_image(node: Node, x: Tensor, sizes: Tensor, block: Tensor) -> Tensor:
    """Add the columns of all windows of an image where they belong."""
    whole, kernel = integers(sizes), integers(block)
    if len(whole) != 2:
        raise node.refuse(f"images in {len(whole)} dimensions")
    windows = windows_of(node, kernel)
    pads = pads_of(node, windows, whole)
    outer = [size + before + behind for size, (before, behind) in zip(whole, pads, strict=True)]
    y = functional.fold(
        x, tuple(outer), tuple(kernel), dilation=tuple(windows.dilations), stride=tuple(windows.strides)
    )
    return padded(y, [(-before, -behind) for before, behind in pads])


def determinant(node: Node, x: Tensor) -> Tensor:  # noqa: ARG001
    """Return the determinants of matrices."""
    return torch.det(x)


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "Attention": attention,
    "Col2Im": columns_to_image,
    "Conv": convolution,
    "ConvTranspose": transposed_convolution,
    "Det": determinant,
    "Einsum": einsum,
    "Gemm": general_product,
    "MatMul": matrix_product,
}
"""Operators by name."""
