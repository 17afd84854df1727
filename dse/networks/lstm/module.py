"""Stacked LSTM layers (Hochreiter and Schmidhuber, Neural Comput. 9:1735, 1997) that read text character by character.

    i, f, o, z = W x_t + U h_(t-1) + b         the products with W and U on crossbars, b digital
    c_t = sigmoid(f) c_(t-1) + sigmoid(i) tanh(z)
    h_t = sigmoid(o) tanh(c_t)                 the state c, h and the gates are digital

`W` (from_input) and `U` (from_state) are linear layers of their own, so that errors pass back through both arrays,
through time and through the layers. Products with inputs do not wait for the state and are taken together. Those with
the state are taken one by one here; where `dse.crossbar.analog.over_time` takes them, `sequence` does the same in a
quarter of the time.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from dse.crossbar.analog import AnalogLinear
from dse.crossbar.analog.over_time import takes
from dse.crossbar.traits import Traits, described
from dse.networks.lstm.sequence import run
from dse.streams import stream

GATES = 4
ACTIVATIONS = 5
"""Of a unit in a step: four gates and the memory."""
FORGET_BIAS = 1.0
"""Initial bias of the forget gates (Jozefowicz et al., ICML 2015)."""
State = tuple[Tensor, Tensor]
"""Output h and memory c, shape (streams, units)."""


class _Cell(Function):
    """The digital part of a step: gates and old memory to output and new memory, differentiated as a whole."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, c: Tensor) -> State:
        """Return output and memory, shape (streams, units), for gates i, f, o, z side by side."""
        units = c.shape[1]
        opened, z = torch.sigmoid(gates[:, : 3 * units]), torch.tanh(gates[:, 3 * units :])
        i, f, o = opened.chunk(3, dim=1)
        after = torch.addcmul(f * c, i, z)
        squashed = torch.tanh(after)
        ctx.save_for_backward(opened, z, c, squashed)
        return o * squashed, after

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Return the errors of gates and old memory."""
        dh, d_after = gradients
        opened, z, c, squashed = ctx.saved_tensors
        i, f, o = opened.chunk(3, dim=1)
        dc = torch.addcmul(d_after, dh * o, 1.0 - squashed * squashed)
        d_opened = torch.cat((dc * z, dc * c, dh * squashed), dim=1).mul_(opened).mul_(1.0 - opened)
        return torch.cat((d_opened, (dc * i).mul_(1.0 - z * z)), dim=1), dc * f


class LstmLayer(nn.Module):
    """A layer of LSTM units."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.units = units
        # Both products are added before the gates, whose functions count with the second.
        self.from_input = described(nn.Linear(inputs, GATES * units), Traits(activations=0))
        self.from_state = described(
            nn.Linear(units, GATES * units, bias=False), Traits(activations=ACTIVATIONS * units)
        )

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return outputs, shape (steps, streams, units), and the last state, for inputs (steps, streams, inputs)."""
        h, c = state
        if takes(self.from_state, x) and len(x):
            whole, c = run(self.from_input(x), h, c, cast("AnalogLinear", self.from_state))
            return whole, (whole[-1], c)
        outputs: list[Tensor] = []
        for driven in self.from_input(x).unbind(0):
            h, c = cast("State", _Cell.apply(driven + self.from_state(h), c))
            outputs.append(h)
        return torch.stack(outputs), (h, c)


class CharacterLstm(nn.Module):
    """LSTM layers and a linear read-out between the symbols of an alphabet.

    Attributes:
        symbols: size of the alphabet.
        layers: the LSTM layers.
        read_out: from the last layer to a logit for each symbol.
    """

    def __init__(self, symbols: int, units: Sequence[int]) -> None:
        super().__init__()
        self.symbols = symbols
        inputs = [symbols, *units]
        self.layers = nn.ModuleList(LstmLayer(*sizes) for sizes in zip(inputs[:-1], units, strict=True))
        self.read_out = nn.Linear(units[-1], symbols)

    def start(self, count: int) -> list[State]:
        """Return the state in which streams begin."""
        device = next(self.parameters()).device
        return [tuple(torch.zeros(2, count, layer.units, device=device)) for layer in self.layers]  # type: ignore[misc]

    def forward(self, characters: Tensor, states: Sequence[State]) -> tuple[Tensor, list[State]]:
        """Return logits (steps, streams, symbols) and states without history for characters (steps, streams)."""
        x, after = functional.one_hot(characters, self.symbols).to(torch.float32), list[State]()
        for layer, state in zip(self.layers, states, strict=True):
            x, (h, c) = layer(x, state)
            after.append((h.detach(), c.detach()))
        return self.read_out(x), after


def lstm_of(units: Sequence[int], symbols: int, *, seed: int) -> CharacterLstm:
    """Return a network with initial weights: uniform within 1 / sqrt(units) of their layer, biases 0 and `FORGET_BIAS`.

    Args:
        units: LSTM units of each layer.
        symbols: size of the alphabet.
        seed: seed of the trial.
    """
    with torch.random.fork_rng(devices=[]):  # torch draws initial weights of its own, which are replaced
        network = CharacterLstm(symbols, units)
    for number, linear in enumerate(part for part in network.modules() if isinstance(part, nn.Linear)):
        inputs = linear.in_features if linear is network.read_out else linear.out_features // GATES
        draws = stream(seed, "initial weights", number).next_uniform(linear.weight.numel())
        linear.weight.data = ((2.0 * draws - 1.0) / math.sqrt(inputs)).reshape(linear.weight.shape).contiguous()
        for bias in (parameter for parameter in linear.parameters() if parameter.dim() == 1):
            bias.data.zero_()
    for layer in network.modules():
        if isinstance(layer, LstmLayer):
            layer.from_input.bias.data[layer.units : 2 * layer.units] = FORGET_BIAS
    return network
