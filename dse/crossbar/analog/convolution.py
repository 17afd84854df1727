"""torch's convolution and its gradients, kept from a fault of oneDNN, the library that forms them on a CPU.

For a kernel of one place with a stride, oneDNN copies the places of the inputs that the stride meets, and forms the
gradient of the weights from the copy. Where the channels of a place lie side by side in memory and are fewer than a
vector register holds floats, parts of the copy are written behind its end (seen in oneDNN 3.12, as torch 2.13 has it):
the gradient is wrong, other memory is overwritten, or the loop never ends. Such inputs are thinned out here, before
torch sees them; the products and their sum stay the same.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from dse.portable import WIDE, arithmetic

_NOT_TRANSPOSED = False
_ONE_PLACE = (1, 1)


class Geometry(NamedTuple):
    """Where the windows of a convolution lie: down and to the right, in places.

    Attributes:
        stride: from one window to the next.
        padding: zeros on each side.
        dilation: from one tap to the next.
    """

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Return the convolution, to be differentiated."""
    if torch.is_grad_enabled() and _needs_thinning(x, weight, geometry):
        return cast("Tensor", _Convolution.apply(x, weight, bias, geometry))
    return functional.conv2d(x, weight, bias, *geometry)


def gradients(
    d: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of inputs, weights and biases for errors d of the outputs, None where not wanted."""
    if not (any(wanted[1:]) and _needs_thinning(x, weight, geometry)):
        return _torchs_gradients(d, x, weight, geometry, wanted)
    down, right = geometry.stride
    back = _torchs_gradients(d, x, weight, geometry, (wanted[0], False, False))[0]
    dense = geometry._replace(stride=_ONE_PLACE)
    return back, *_torchs_gradients(d, x[:, :, ::down, ::right], weight, dense, (False, *wanted[1:]))[1:]


class _Convolution(Function):
    """A convolution whose gradients are those of `gradients`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        """Convolve."""
        ctx.geometry = geometry
        ctx.save_for_backward(x, weight)
        return functional.conv2d(x, weight, bias, *geometry)

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of inputs, weights and biases."""
        x, weight = ctx.saved_tensors
        return *gradients(errors[0], x, weight, ctx.geometry, ctx.needs_input_grad[:3]), None


def _torchs_gradients(d: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, wanted: tuple[bool, bool, bool]) -> Any:
    biases = [weight.shape[0]] if wanted[2] else None
    return torch.ops.aten.convolution_backward(d, x, weight, biases, *geometry, _NOT_TRANSPOSED, [0, 0], 1, [*wanted])


def _needs_thinning(x: Tensor, weight: Tensor, geometry: Geometry) -> bool:
    """Return whether oneDNN would copy the inputs, and beyond the end of the copy."""
    sizes = zip(x.shape[2:], geometry.stride, strict=True)
    copied = weight.shape[2:] == _ONE_PLACE and geometry.stride != _ONE_PLACE and geometry.padding == (0, 0)
    side_by_side = x.stride(1) == 1 or weight.stride(3) > 1  # torch lays out both like one of them
    few = x.device.type == "cpu" and x.shape[1] < _floats_in_a_register()
    return copied and side_by_side and few and all(size % step == 0 for size, step in sizes)


def _floats_in_a_register() -> int:
    """Return how many floats a vector register holds of those that oneDNN takes."""
    return 16 if arithmetic() == WIDE else 8
