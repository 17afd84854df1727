"""Resizing of images and other grids, axis by axis."""

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dse.networks.onnx.operators.node import Node, integers

Places = NDArray[np.float32]


def resize(
    node: Node,
    x: Tensor,
    roi: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:
    """Resize along some axes, to sizes or by scales."""
    if node.opset < 11:
        roi, scales = None, roi
    axes = [axis % x.dim() for axis in node.get("axes", list(range(x.dim())))]
    if node.get("antialias", 0) and _mode(node) != "nearest":
        raise node.refuse("antialias = 1 is not supported; runtimes do not agree on it")
    own_scales, own_sizes = _extent(node, x, axes, scales, sizes)
    ends = None if roi is None or not roi.numel() else cast("list[list[float]]", roi.double().reshape(2, -1).tolist())
    for n, axis in enumerate(axes):
        crop = None if ends is None else (ends[0][n], ends[1][n])
        if own_sizes[n] != x.shape[axis] or own_scales[n] != 1.0 or _crops(node):
            x = _along(node, x, axis, own_scales[n], own_sizes[n], crop)
    return x


def upsample(node: Node, x: Tensor, scales: Tensor | None = None) -> Tensor:
    """Resize by scales, as older graphs do."""
    own = torch.tensor(node.get("scales")) if scales is None else scales
    old = Node(node.name, node.kind, node.inputs, node.outputs, {"mode": node.get("mode", "nearest")}, 10)
    return resize(old, x, own)


def _crops(node: Node) -> bool:
    return node.get("coordinate_transformation_mode") == "tf_crop_and_resize"


def _extent(
    node: Node, x: Tensor, axes: list[int], scales: Tensor | None, sizes: Tensor | None
) -> tuple[list[float], list[int]]:
    """Return scale and size along each of the axes."""
    before = [x.shape[axis] for axis in axes]
    if sizes is None or not sizes.numel():
        if scales is None or not scales.numel():
            raise node.refuse("neither scales nor sizes are given")
        own = cast("list[float]", scales.float().reshape(-1).tolist())
        # Single precision, as scales are given: a product just below a whole number is rounded to it.
        return own, [math.floor(np.float32(size) * np.float32(s)) for size, s in zip(before, own, strict=True)]
    wanted, policy = integers(sizes), node.get("keep_aspect_ratio_policy", "stretch")
    ratios = [to / size for to, size in zip(wanted, before, strict=True)]
    if policy != "stretch":
        ratio = min(ratios) if policy == "not_larger" else max(ratios)
        ratios, wanted = [ratio] * len(axes), [math.floor(ratio * size + 0.5) for size in before]
    return ratios, wanted


def _along(node: Node, x: Tensor, axis: int, scale: float, size: int, crop: tuple[float, float] | None) -> Tensor:
    """Resize along one axis."""
    length = x.shape[axis]
    places = _places(node, length, size, scale, crop)
    if _mode(node) == "nearest":
        where = np.clip(_nearest(node, places), 0, length - 1)
        found = x.index_select(axis, torch.from_numpy(where.astype(np.int64)).to(x.device))
    else:
        weights = torch.from_numpy(_weights(node, places, length)).to(x.device)
        moved = x.movedim(axis, -1).to(torch.float32)
        found = functional.linear(moved, weights).movedim(-1, axis).to(x.dtype)
    if not _crops(node):
        return found
    outside = torch.from_numpy((places < 0) | (places > length - 1)).to(x.device)
    shape = [-1 if own == axis else 1 for own in range(x.dim())]
    return torch.where(outside.reshape(shape), node.get("extrapolation_value", 0.0), found).to(x.dtype)


def _mode(node: Node) -> str:
    return node.get("mode", "nearest")


def _places(node: Node, length: int, size: int, scale: float, crop: tuple[float, float] | None) -> Places:
    """Return where in the input each place of the output lies, in single precision as runtimes have it."""
    single = np.float32
    out, by, half = np.arange(size, dtype=single), single(scale), single(0.5)
    how = "asymmetric" if node.opset < 11 else node.get("coordinate_transformation_mode", "half_pixel")
    if how == "asymmetric":
        return out / by
    if how == "align_corners":
        return out * single(length - 1) / single(max(size - 1, 1))
    if how == "tf_crop_and_resize":
        start, end = (single(own) for own in crop or (0.0, 1.0))
        middle, step = half * (start + end), (end - start) * single(length - 1) / single(max(size - 1, 1))
        return start * single(length - 1) + out * step if size > 1 else np.full(1, middle * single(length - 1))
    if how == "tf_half_pixel_for_nn":
        return (out + half) / by
    if how == "pytorch_half_pixel" and size == 1:
        return np.zeros(1, single)
    moved = single(0)
    if how == "half_pixel_symmetric":  # the middle stays where it is although the size is a whole number
        moved = single(length / 2) * (1 - single(size) / (by * single(length)))
    return moved + (out + half) / by - half


def _nearest(node: Node, places: Places) -> Places:
    how = "floor" if node.opset < 11 else node.get("nearest_mode", "round_prefer_floor")
    if how == "floor":
        return np.floor(places)
    if how == "ceil":
        return np.ceil(places)
    return np.floor(places + 0.5) if how == "round_prefer_ceil" else np.ceil(places - 0.5)


def _weights(node: Node, places: Places, length: int) -> NDArray[np.float32]:
    """Return what each place of the output takes of each of the input, shape (output, input)."""
    cubic = _mode(node) == "cubic"
    reach = 2 if cubic else 1
    taps = np.floor(places).astype(np.int64)[:, None] + np.arange(1 - reach, reach + 1)
    distance = np.abs(places[:, None].astype(np.float64) - taps)
    weights = _cubic(distance, node.get("cubic_coeff_a", -0.75)) if cubic else np.maximum(1.0 - distance, 0.0)
    if node.get("exclude_outside", 0):
        weights = np.where((taps < 0) | (taps >= length), 0.0, weights)
        weights /= weights.sum(axis=1, keepdims=True)
    whole = np.zeros((len(places), length))
    np.add.at(whole, (np.arange(len(places))[:, None], np.clip(taps, 0, length - 1)), weights)
    return whole.astype(np.float32)


def _cubic(distance: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


_SAMPLING = {"linear": "bilinear", "cubic": "bicubic"}


def grid_sample(node: Node, x: Tensor, grid: Tensor) -> Tensor:
    """Return what lies at the places of a grid."""
    mode: str = node.get("mode", "linear")
    how, edge = _SAMPLING.get(mode, mode), node.get("padding_mode", "zeros")
    corners = bool(node.get("align_corners", 0))
    return functional.grid_sample(x, grid, mode=how, padding_mode=edge, align_corners=corners)


def affine_grid(node: Node, theta: Tensor, sizes: Tensor) -> Tensor:
    """Return the places of a grid that was turned, moved and stretched."""
    return functional.affine_grid(theta, integers(sizes), align_corners=bool(node.get("align_corners", 0)))


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "AffineGrid": affine_grid,
    "GridSample": grid_sample,
    "Resize": resize,
    "Upsample": upsample,
}
"""Operators by name."""
