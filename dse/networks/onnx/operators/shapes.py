"""Operators on the shape of tensors, and those that make tensors."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dse.networks.onnx.operators.node import Node, integers, number, sizes_of

KINDS: Mapping[int, torch.dtype] = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    4: torch.uint16,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    12: torch.uint32,
    13: torch.uint64,
    16: torch.bfloat16,
}
"""Kinds of numbers by their code in a graph."""


def listed(node: Node, name: str, given: Tensor | None) -> list[int] | None:
    """Return integers that newer operators take as an input and older ones as an attribute; None for none."""
    whole = node.get(name) if given is None else given
    return None if whole is None else integers(whole)


def kind_of(node: Node, code: int) -> torch.dtype:
    """Return the kind of numbers of a code."""
    if code not in KINDS:
        raise node.refuse(f"it gives numbers of kind {code}, which are not supported")
    return KINDS[code]


def reshape(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    """Reshape; a size of 0 keeps that of the input, -1 takes the rest."""
    sizes = integers(shape)
    if not node.get("allowzero", 0):
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    if -1 in sizes and 0 in sizes:
        sizes[sizes.index(-1)] = 0
    return x.reshape(sizes)


def flatten(node: Node, x: Tensor) -> Tensor:
    """Return a matrix: the axes before one, and it with those behind."""
    axis = node.get("axis", 1)
    axis += x.dim() if axis < 0 else 0
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def transpose(node: Node, x: Tensor) -> Tensor:
    """Permute the axes; by default in reverse."""
    return x.permute(node.get("perm", list(range(x.dim()))[::-1]))


def squeeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Leave out axes of size 1: those given, or all."""
    own = listed(node, "axes", axes)
    chosen = [axis for axis, size in enumerate(x.shape) if size == 1] if own is None else own
    return x.squeeze([axis % x.dim() for axis in chosen]) if chosen else x


def unsqueeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Insert axes of size 1, numbered as in the output."""
    own = listed(node, "axes", axes) or []
    for axis in sorted(each % (x.dim() + len(own)) for each in own):
        x = x.unsqueeze(axis)
    return x


def concatenate(node: Node, *inputs: Tensor) -> Tensor:
    """Put tensors behind each other along an axis."""
    return torch.cat(inputs, node.get("axis", 1))


def split(node: Node, x: Tensor, sizes: Tensor | None = None) -> Sequence[Tensor]:
    """Cut a tensor along an axis, by sizes or evenly."""
    axis: int = node.get("axis", 0)
    own = listed(node, "split", sizes)
    if own is None:
        parts: int = node.get("num_outputs", len(node.outputs))
        each: int = -(-x.shape[axis] // parts)
        own = [max(0, min(each, x.shape[axis] - part * each)) for part in range(parts)]
    return torch.split(x, own, axis)


def cut(
    node: Node,
    x: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    """Take slices along some axes; steps may be negative."""
    first, last = listed(node, "starts", starts) or [], listed(node, "ends", ends) or []
    own = listed(node, "axes", axes) or list(range(len(first)))
    strides = [1] * len(first) if steps is None else integers(steps)
    for axis, start, end, step in zip(own, first, last, strides, strict=True):
        x = _sliced(x, axis % x.dim(), start, end, step)
    return x


def _sliced(x: Tensor, axis: int, start: int, end: int, step: int) -> Tensor:
    places = range(*slice(start, end, step).indices(x.shape[axis]))
    if step < 0 and end < -x.shape[axis]:  # Python would read such an end as one from the back
        places = range(slice(start, None, step).indices(x.shape[axis])[0], -1, step)
    if step > 0:
        return x[(slice(None),) * axis + (slice(places.start, max(places.start, places.stop), step),)]
    return x.index_select(axis, torch.tensor(list(places), dtype=torch.int64, device=x.device))


def shape(node: Node, x: Tensor) -> Tensor:
    """Return the sizes of the axes, or of some of them."""
    return sizes_of(x)[slice(node.get("start", 0), node.get("end"))]


def size(node: Node, x: Tensor) -> Tensor:  # noqa: ARG001
    """Return how many numbers a tensor has."""
    return torch.tensor(x.numel(), device=x.device)


def _common(*shapes: Sequence[int]) -> list[int]:
    """Return the shape in which tensors of some shapes meet."""
    axes = max(map(len, shapes))
    whole = ([1] * (axes - len(own)) + list(own) for own in shapes)
    return [max(sizes) if 0 not in sizes else 0 for sizes in zip(*whole, strict=True)]


def expand(node: Node, x: Tensor, sizes: Tensor) -> Tensor:  # noqa: ARG001
    """Repeat along axes of size 1, in both directions."""
    return torch.broadcast_to(x, _common(x.shape, integers(sizes)))


def tile(node: Node, x: Tensor, repeats: Tensor) -> Tensor:
    """Repeat a whole tensor along its axes."""
    times = integers(repeats)
    node.check_room([x.numel(), *times])
    return x.repeat(times)


def pad(
    node: Node, x: Tensor, pads: Tensor | None = None, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    """Put places around a tensor: of a value, mirrored, with the edge, or around the other side."""
    given, mode = listed(node, "pads", pads) or [], node.get("mode", "constant")
    own = list(range(len(given) // 2)) if axes is None else integers(axes)
    fill = number(node.get("value", 0.0) if value is None or not value.numel() else value)
    for place, axis in enumerate(own):
        before, behind = given[place], given[place + len(own)]
        if before or behind:
            x = _padded(x, axis % x.dim(), before, behind, mode, fill)
    return x


def _padded(x: Tensor, axis: int, before: int, behind: int, mode: str, fill: float) -> Tensor:
    if mode == "constant":
        ends = [0, 0] * (x.dim() - axis - 1) + [before, behind]
        if x.dtype == torch.bool:
            return functional.pad(x.to(torch.uint8), ends, value=int(fill)).bool()
        return functional.pad(x, ends, value=fill)
    places = torch.arange(-before, x.shape[axis] + behind, device=x.device)
    last = x.shape[axis] - 1
    if mode == "edge":
        places = places.clamp(0, last)
    elif mode == "wrap":
        places = places % (last + 1)
    else:
        places = last - ((places % max(2 * last, 1)) - last).abs()
    return x.index_select(axis, places)


def cast(node: Node, x: Tensor) -> Tensor:
    """Change the kind of number."""
    return x.to(kind_of(node, node.get("to")))


def cast_like(node: Node, x: Tensor, like: Tensor) -> Tensor:  # noqa: ARG001
    """Change the kind of number to that of another tensor."""
    return x.to(like.dtype)


def constant(node: Node) -> Tensor:
    """Return the tensor, number or list that a node holds."""
    kinds = {"value_float": torch.float32, "value_floats": torch.float32}
    for name, value in node.attributes.items():
        if name == "value":
            return value
        if name in ("value_float", "value_floats", "value_int", "value_ints"):
            return torch.tensor(value, dtype=kinds.get(name, torch.int64))
    raise node.refuse(f"it holds {', '.join(node.attributes)}; numbers alone are supported")


def constant_of_shape(node: Node, sizes: Tensor) -> Tensor:
    """Return a tensor of one value."""
    value, own = node.get("value", torch.zeros(1)), integers(sizes)
    node.check_room(own)
    return value.to(sizes.device).reshape(()).expand(own).clone()


def span(node: Node, start: Tensor, limit: Tensor, step: Tensor) -> Tensor:
    """Return numbers from one to another in steps."""
    first, last, by = (_python(value) for value in (start, limit, step))
    count = max(0, math.ceil((last - first) / by))
    node.check_room([count])
    return (torch.arange(count, device=start.device) * by + first).to(start.dtype)


def _python(value: Tensor) -> Any:
    return value.reshape(()).item()


def eye_like(node: Node, x: Tensor) -> Tensor:
    """Return a matrix with ones on a diagonal."""
    kind = kind_of(node, node.get("dtype")) if "dtype" in node.attributes else x.dtype
    whole = torch.ones(x.shape, device=x.device)
    offset = node.get("k", 0)
    return (whole.triu(offset) - whole.triu(offset + 1)).to(kind)


def triangle(node: Node, x: Tensor, offset: Tensor | None = None) -> Tensor:
    """Return the upper or lower triangle of matrices."""
    at = 0 if offset is None else int(number(offset))
    return x.triu(at) if node.get("upper", 1) else x.tril(at)


def depth_to_space(node: Node, x: Tensor) -> Tensor:
    """Move channels into blocks of places."""
    block, (samples, channels, *places) = node.get("blocksize"), x.shape
    own = channels // block**2
    if node.get("mode", "DCR") == "DCR":
        parts = x.reshape(samples, block, block, own, *places).permute(0, 3, 4, 1, 5, 2)
    else:
        parts = x.reshape(samples, own, block, block, *places).permute(0, 1, 4, 2, 5, 3)
    return parts.reshape(samples, own, places[0] * block, places[1] * block)


def space_to_depth(node: Node, x: Tensor) -> Tensor:
    """Move blocks of places into channels."""
    block, (samples, channels, height, width) = node.get("blocksize"), x.shape
    order = (0, 3, 5, 1, 2, 4) if node.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    parts = x.reshape(samples, channels, height // block, block, width // block, block).permute(order)
    return parts.reshape(samples, channels * block**2, height // block, width // block)


def center_crop_pad(node: Node, x: Tensor, sizes: Tensor) -> Tensor:
    """Cut or pad around the middle of some axes."""
    axes: list[int] = node.get("axes", list(range(x.dim())))
    for axis, wanted in zip(axes, integers(sizes), strict=True):
        axis_, room = axis % x.dim(), wanted - x.shape[axis]
        if room >= 0:
            x = _padded(x, axis_, room // 2, room - room // 2, "constant", 0.0)
        else:
            x = x.narrow(axis_, -room // 2, wanted)
    return x


def reverse_sequence(node: Node, x: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the first steps of each sequence."""
    time, batch = node.get("time_axis", 0), node.get("batch_axis", 1)
    x_ = x.movedim((time, batch), (0, 1))
    return reversed_steps(x_, lengths).movedim((0, 1), (time, batch))


def reversed_steps(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return steps, shape (steps, streams, ...), in reverse; of each stream only so many, where lengths are given."""
    if lengths is None:
        return x.flip(0)
    steps = torch.arange(x.shape[0], device=x.device)[:, None]
    own = lengths.to(x.device, torch.int64)[None]
    places = torch.where(steps < own, own - 1 - steps, steps)
    return x.gather(0, places.reshape(*places.shape, *[1] * (x.dim() - 2)).expand_as(x))


def identity(node: Node, x: Any) -> Any:  # noqa: ARG001
    """Return what came."""
    return x


def dropout(node: Node, x: Tensor, *rest: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return what came, and that all of it was kept; training is refused."""
    if len(rest) > 1 and rest[1] is not None and bool(rest[1]) and (rest[0] is None or number(rest[0]) > 0):
        raise node.refuse("it switches off units at random, as in training; export the network for inference")
    return x, torch.ones_like(x, dtype=torch.bool)


def optional_has_element(node: Node, x: Any = None) -> Tensor:  # noqa: ARG001
    """Say whether there is anything."""
    return torch.tensor(x is not None)


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "Cast": cast,
    "CastLike": cast_like,
    "CenterCropPad": center_crop_pad,
    "Concat": concatenate,
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "DepthToSpace": depth_to_space,
    "Dropout": dropout,
    "Expand": expand,
    "EyeLike": eye_like,
    "Flatten": flatten,
    "Identity": identity,
    "OptionalGetElement": identity,
    "OptionalHasElement": optional_has_element,
    "Pad": pad,
    "Range": span,
    "Reshape": reshape,
    "ReverseSequence": reverse_sequence,
    "Shape": shape,
    "Size": size,
    "Slice": cut,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": squeeze,
    "Tile": tile,
    "Transpose": transpose,
    "Trilu": triangle,
    "Unsqueeze": unsqueeze,
}
"""Operators by name."""
