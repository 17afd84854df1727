"""All steps of a layer of LSTM units as one function, differentiated as a whole.

The twin of the loop of `dse.networks.lstm.module`: products with the state one after the other, gates and state of a
step in one compiled pass, and the gradient of the weights as one product over all steps. Products, converters and
noise are those of `dse.crossbar.analog.over_time`.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dse.crossbar.analog.layers import AnalogLinear
from dse.crossbar.analog.over_time import Factors, Steps
from dse.crossbar.analog.reads import BACKWARD, FORWARD
from dse.kernel.recurrent import gate_errors, open_gates


def run(driven: Tensor, h: Tensor, c: Tensor, layer: AnalogLinear) -> tuple[Tensor, Tensor]:
    """Return the outputs of all steps and the last memory.

    Args:
        driven: what inputs drive gates with, float32, shape (steps, streams, 4 units).
        h: outputs before the first step, shape (streams, units).
        c: memories before the first step, likewise.
        layer: the layer of the products with the state, one that `over_time.takes`.

    Returns:
        Outputs, shape (steps, streams, units), and memories, shape (streams, units).
    """
    return cast("tuple[Tensor, Tensor]", _Sequence.apply(layer, layer.held_weight, layer.learned_scale, driven, h, c))


def _begun(first: Tensor, steps: int) -> Tensor:
    """Return room for a state before and after each step, shape (steps + 1, streams, units), the first filled."""
    states = first.new_empty(steps + 1, *first.shape)
    states[0] = first
    return states


class _Sequence(Function):
    """A sequence in both directions."""

    @staticmethod
    def forward(
        ctx: Any,
        layer: AnalogLinear,
        weight: Tensor,
        scale: Tensor | None,  # noqa: ARG004  a place for its gradient
        driven: Tensor,
        *state: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Run all steps."""
        h, c = state
        steps, factors = driven.shape[0], Factors.of(layer)
        gates, hs, cs = torch.empty(driven.shape), _begun(h.detach(), steps), _begun(c.detach(), steps)
        squashed = torch.empty(hs[1:].shape)
        products = Steps(layer, FORWARD, weight.detach(), hs[:-1], gates, factors)
        arrays = [own.detach().numpy() for own in (gates, driven.contiguous(), hs, cs, squashed)]
        for t in range(steps):
            products.take(t)
            open_gates(t, *arrays)
        products.finish()
        ctx.layer, ctx.factors = layer, factors
        # Without factors gates have taken the place of the products.
        kept = None if factors.learned is None else products.products
        ctx.save_for_backward(weight, gates, hs, cs, squashed, kept)
        return hs[1:], cs[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the errors of what drives the gates, of both states, and the gradients of weights and factors."""
        weight, gates, hs, cs, squashed, kept = ctx.saved_tensors
        layer, dh, dc = ctx.layer, gradients[0].contiguous(), gradients[1].clone(memory_format=torch.contiguous_format)
        errors, back = torch.empty_like(gates), torch.empty_like(hs)
        back[-1] = 0.0
        last = 0 if ctx.needs_input_grad[4] else 1
        products = Steps(layer, BACKWARD, weight.detach(), errors, back[:-1], ctx.factors)
        arrays = [own.detach().numpy() for own in (dh, back, dc, gates, cs, squashed, errors)]
        for t in reversed(range(len(gates))):
            gate_errors(t, *arrays)
            if t >= last:
                products.take(t)
        products.finish(last)
        own = products.gradients(hs[:-1], kept, ctx.needs_input_grad[1:3], last)
        return None, *own, errors, back[0] if last == 0 else None, dc
