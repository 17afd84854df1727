"""Recurrent layers of any units over time: a plug-in brings the digital part of a step, and says nothing of crossbars.

    outputs, state = over_time(step, driven, state, layer)

A step takes what the inputs drive, the product of the layer with the last outputs, and the state; it is written in
torch and differentiated by torch. Products with the state are those of `dse.crossbar.analog.over_time` where it takes
them: laid out once for all steps, counted once, and the gradient of the weights is one product over all steps.
Otherwise the layer is called step by step; the draws of noise and the counts are the same, sums to rounding.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dse.crossbar.analog import AnalogLinear
from dse.crossbar.analog.over_time import Factors, Steps, takes
from dse.crossbar.analog.reads import BACKWARD, FORWARD

State = tuple[Tensor, ...]
Step = Callable[[Tensor, Tensor, State], State]
"""What inputs drive, shape (streams, outputs of the inputs' layer); the product with the last outputs, shape (streams,
outputs of the layer); the state. Returns the new state, of the same shapes, whose first part are the outputs."""


def over_time(step: Step, driven: Tensor, state: State, layer: nn.Module) -> tuple[Tensor, State]:
    """Return the outputs of all steps, shape (steps, streams, units), and the last state.

    Args:
        step: the digital part of a step; it has no parameters of its own.
        driven: what inputs drive, shape (steps, streams, ...).
        state: before the first step, tensors of floats; its first part are the outputs, shape (streams, units).
        layer: the linear layer of the products with the last outputs, without a bias, on crossbars or not.
    """
    if len(driven) and takes(layer, driven):
        own = cast("AnalogLinear", layer)
        whole, *last = cast("State", _Sequence.apply(step, own, own.held_weight, own.learned_scale, driven, *state))
        return whole, (whole[-1], *last)
    outputs: list[Tensor] = []
    for own in driven.unbind(0):
        state = step(own, layer(state[0]), state)
        outputs.append(state[0])
    return torch.stack(outputs) if outputs else driven.new_empty(0, *state[0].shape), state


class _Sequence(Function):
    """A sequence in both directions; returns all outputs and the other parts of the last state."""

    @staticmethod
    def forward(
        ctx: Any,
        step: Step,
        layer: AnalogLinear,
        weight: Tensor,
        scale: Tensor | None,  # noqa: ARG004  a place for its gradient
        driven: Tensor,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        """Run all steps, each as a graph of its own."""
        first = state[0].detach()
        before = torch.empty(len(driven), *first.shape)
        products, factors = torch.empty(*before.shape[:2], layer.cols), Factors.of(layer)
        taken = Steps(layer, FORWARD, weight.detach(), before, products, factors)
        own, graphs = tuple(part.detach() for part in state), list[tuple[Sequence[Tensor], State]]()
        learns = any(ctx.needs_input_grad)
        for t, drives in enumerate(driven.detach().unbind(0)):
            before[t] = own[0]
            taken.take(t)
            given = [part.requires_grad_(learns) for part in (drives.clone(), products[t].clone(), *own)]
            with torch.set_grad_enabled(learns):
                after = step(given[0], given[1], tuple(given[2:]))
            own = tuple(part.detach() for part in after)
            if learns:
                graphs.append((given, after))
        taken.finish()
        ctx.layer, ctx.graphs, ctx.factors = layer, graphs, factors
        ctx.save_for_backward(weight, before, None if factors.learned is None else taken.products)
        outputs = torch.cat([before[1:], own[0][None]])
        return outputs, *(part.clone() for part in own[1:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the errors of what inputs drive and of the first state, and gradients of weights and factors."""
        weight, before, kept = ctx.saved_tensors
        layer, graphs = ctx.layer, cast("list[tuple[list[Tensor], State]]", ctx.graphs)
        whole, *later = gradients
        errors, back = torch.empty(*before.shape[:2], layer.cols), torch.zeros_like(before)
        of_inputs: list[Tensor] = []
        taken = Steps(layer, BACKWARD, weight.detach(), errors, back, ctx.factors)
        last = 0 if ctx.needs_input_grad[5] else 1
        of_outputs = torch.zeros_like(before[0])
        for t in reversed(range(len(graphs))):
            given, after = graphs[t]
            own = _errors_of(given, after, (whole[t] + of_outputs, *later))
            of_inputs.append(own[0])
            errors[t] = own[1]
            if t >= last:
                taken.take(t)
            of_outputs, later = own[2] + back[t], own[3:]
        taken.finish(last)
        # The graphs of the steps are gone with their errors, as those of torch are.
        graphs.clear()
        grown = taken.gradients(before, kept, ctx.needs_input_grad[2:4], last)
        return None, None, *grown, torch.stack(of_inputs[::-1]), of_outputs if last == 0 else None, *later


def _errors_of(given: Sequence[Tensor], after: State, errors: State) -> list[Tensor]:
    """Return the errors of what a step was given; 0 of what it did not use."""
    # A part that a step returns without a graph, such as a detached trace, passes no error on.
    whole = [(part, error) for part, error in zip(after, errors, strict=True) if part.requires_grad]
    if not whole:
        return [torch.zeros_like(part) for part in given]
    found = cast(
        "Sequence[Tensor | None]",
        torch.autograd.grad([part for part, _ in whole], given, [error for _, error in whole], allow_unused=True),
    )
    return [torch.zeros_like(part) if error is None else error for part, error in zip(given, found, strict=True)]
