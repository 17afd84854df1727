"""Recurrent operators: LSTM, GRU and plain units, in either direction or both.

Products with inputs and with states are given as functions, so that they can be those of arrays; see
`dse.networks.onnx.layers`. Names of operands follow the standard: X, W, R, B, lengths, initial states.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dse.networks.onnx.operators.activations import gate
from dse.networks.onnx.operators.node import Node
from dse.networks.onnx.operators.shapes import reversed_steps

Product = Callable[[Tensor], Tensor]
State = tuple[Tensor, ...]
"""Output h, shape (streams, units), and with an LSTM memory c."""
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
"""Gates of a unit, whose weights stand above each other."""
FUNCTIONS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
"""Functions of the gates where a node names none."""


@dataclass(frozen=True)
class Products:
    """The products of one direction, each with its bias.

    Attributes:
        from_input: with the inputs, to all gates side by side.
        from_state: with the state; of a GRU that resets before the product, first to the gates, then to the candidate.
    """

    from_input: Product
    from_state: Sequence[Product]


def matrices(node: Node, w: Tensor, r: Tensor, b: Tensor | None) -> list[list[tuple[Tensor, Tensor | None]]]:
    """Return weights and biases of each direction: of the product with the inputs, then of those with the state."""
    count = GATES[node.kind]
    found: list[list[tuple[Tensor, Tensor | None]]] = []
    for way in range(w.shape[0]):
        units = r.shape[2]
        biases = [None, None] if b is None else [b[way, : count * units], b[way, count * units :]]
        states = [(r[way], biases[1])]
        if resets_first(node):
            states = [
                (r[way, part], None if biases[1] is None else biases[1][part])
                for part in (slice(2 * units), slice(2 * units, None))
            ]
        found.append([(w[way], biases[0]), *states])
    return found


def resets_first(node: Node) -> bool:
    """Return whether a GRU multiplies its state with the reset gate before the product."""
    return node.kind == "GRU" and not node.get("linear_before_reset", 0)


def recurrent(node: Node, x: Tensor, w: Tensor, r: Tensor, *rest: Tensor | None) -> tuple[Tensor, ...]:
    """Run units over a sequence with weights that are not known before."""
    b, lengths, h, c, peepholes = [*rest, *[None] * 5][:5]
    check(node, peepholes)
    linears = [[_linear(*own) for own in direction] for direction in matrices(node, w, r, b)]
    return run(node, x, [Products(own[0], own[1:]) for own in linears], r.shape[2], lengths, [h, c])


def _linear(weight: Tensor, bias: Tensor | None) -> Product:
    return lambda x: functional.linear(x, weight, bias)


def check(node: Node, peepholes: Tensor | None) -> None:
    """Refuse what is not supported."""
    if peepholes is not None and bool((peepholes != 0).any()):
        raise node.refuse("peepholes, by which gates see the memory, are not supported")


def run(
    node: Node,
    x: Tensor,
    products: Sequence[Products],
    units: int,
    lengths: Tensor | None,
    initial: Sequence[Tensor | None],
) -> tuple[Tensor, ...]:
    """Run units over a sequence.

    Args:
        node: the operator.
        x: inputs, shape (steps, streams, inputs); streams first with layout 1.
        products: those of each direction.
        units: units of a direction.
        lengths: steps of each stream; None for all.
        initial: states in which directions begin, shape (directions, streams, units) each; None for zeros.

    Returns:
        Outputs, shape (steps, directions, streams, units), and the last states like `initial`.
    """
    swapped = bool(node.get("layout", 0))
    x = x.transpose(0, 1) if swapped else x
    states = 2 if node.kind == "LSTM" else 1
    begins = [
        x.new_zeros(len(products), x.shape[1], units) if own is None else (own.transpose(0, 1) if swapped else own)
        for own in [*initial, None][:states]
    ]
    starts = list(zip(*begins, strict=True))
    found = [_direction(node, way, x, own, starts[way], lengths) for way, own in enumerate(products)]
    outputs = torch.stack([own[0] for own in found], dim=1)
    lasts = [torch.stack(own) for own in zip(*(own[1] for own in found), strict=True)]
    if swapped:
        outputs, lasts = outputs.permute(2, 0, 1, 3), [own.transpose(0, 1) for own in lasts]
    return outputs, *lasts


def _direction(
    node: Node, way: int, x: Tensor, products: Products, state: State, lengths: Tensor | None
) -> tuple[Tensor, State]:
    """Return outputs, shape (steps, streams, units), and last states of one direction."""
    backwards = node.get("direction", "forward") == "reverse" or way == 1
    x = reversed_steps(x, lengths) if backwards else x
    step = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}[node.kind](node, way, products)
    outputs: list[Tensor] = []
    for number, driven in enumerate(products.from_input(x).unbind(0)):
        after = step(driven, state)
        if lengths is None:
            state = after
            outputs.append(after[0])
        else:
            runs = (lengths.to(x.device) > number)[:, None]
            state = tuple(torch.where(runs, new, old) for new, old in zip(after, state, strict=True))
            outputs.append(torch.where(runs, after[0], 0.0))
    whole = torch.stack(outputs) if outputs else x.new_zeros(0, *state[0].shape)
    return (reversed_steps(whole, lengths) if backwards else whole), state


Step = Callable[[Tensor, State], State]
"""(gates as the inputs drive them, state) -> state."""


def _functions(node: Node, way: int) -> list[Callable[[Tensor], Tensor]]:
    """Return the functions of the gates of a direction."""
    default = FUNCTIONS[node.kind]
    names = node.get("activations") or default * 2
    alphas, betas = list(node.get("activation_alpha") or []), list(node.get("activation_beta") or [])
    try:
        functions = [gate(name, alphas, betas) for name in names]
    except KeyError as error:
        raise node.refuse(f"gates with the function {error.args[0]!r}") from None
    return functions[way * len(default) : (way + 1) * len(default)]


def _clipped(node: Node) -> Callable[[Tensor], Tensor]:
    limit = node.get("clip")
    return (lambda x: x.clamp(-limit, limit)) if limit else (lambda x: x)


def _lstm(node: Node, way: int, products: Products) -> Step:
    (f, g, h), clipped = _functions(node, way), _clipped(node)

    def step(driven: Tensor, state: State) -> State:
        opened, closed, kept, new = clipped(driven + products.from_state[0](state[0])).chunk(4, dim=1)
        inputs = f(opened)
        forget = 1.0 - inputs if node.get("input_forget", 0) else f(kept)
        memory = forget * state[1] + inputs * g(new)
        return f(closed) * h(memory), memory

    return step


def _gru(node: Node, way: int, products: Products) -> Step:
    (f, g), clipped, first = _functions(node, way), _clipped(node), resets_first(node)

    def step(driven: Tensor, state: State) -> State:
        (h,), units = state, state[0].shape[1]
        from_state = products.from_state[0](h)
        update, reset = f(clipped(driven[:, : 2 * units] + from_state[:, : 2 * units])).chunk(2, dim=1)
        own = products.from_state[1](reset * h) if first else reset * from_state[:, 2 * units :]
        candidate = g(clipped(driven[:, 2 * units :] + own))
        return ((1.0 - update) * candidate + update * h,)

    return step


def _rnn(node: Node, way: int, products: Products) -> Step:
    (f,), clipped = _functions(node, way), _clipped(node)
    return lambda driven, state: (f(clipped(driven + products.from_state[0](state[0]))),)


OPERATORS: Mapping[str, Callable[..., Any]] = dict.fromkeys(GATES, recurrent)
"""Operators by name."""
