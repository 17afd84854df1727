"""Recurrent units of plug-ins over time: a gated unit and a plain one are the loop over their steps."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dse.crossbar.analog import analog_layers, on_crossbars
from dse.networks import recurrent
from dse.networks.recurrent import State, over_time
from tests.unit.test_over_time import CASES, INPUTS, STEPS, STREAMS, UNITS, let_scales_differ, never, normal


def gru(driven: Tensor, product: Tensor, state: State) -> State:
    """Cho et al., EMNLP 2014, with the reset gate behind the product, as torch has it."""
    (h,) = state
    (r, z, n), (own_r, own_z, own_n) = driven.chunk(3, dim=1), product.chunk(3, dim=1)
    z = torch.sigmoid(z + own_z)
    return ((1.0 - z) * torch.tanh(n + torch.sigmoid(r + own_r) * own_n) + z * h,)


def leaky(driven: Tensor, product: Tensor, state: State) -> State:
    """A plain unit beside a slow sum of its outputs, which is state that no product sees."""
    h, slow = state
    h = torch.tanh(driven + product + 0.1 * slow)
    return h, 0.9 * slow + 0.1 * h


def traced(driven: Tensor, product: Tensor, state: State) -> State:
    """The same with a trace that passes no errors on."""
    h, slow = leaky(driven, product, state)
    return h, slow.detach()


UNITS_OF: dict[str, tuple[Any, int, int]] = {"gru": (gru, 3, 1), "leaky": (leaky, 1, 2), "traced": (traced, 1, 2)}
"""Step, outputs of its layers in units, parts of its state."""


class Recurrent(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.step, self.gates, self.parts = UNITS_OF[kind]
        self.from_input = nn.Linear(INPUTS, self.gates * UNITS)
        self.from_state = nn.Linear(UNITS, self.gates * UNITS, bias=False)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return over_time(self.step, self.from_input(x), state, self.from_state)


def placed(kind: str, case: str) -> Any:
    crossbars, noisy, digital = CASES[case]
    with torch.random.fork_rng():
        plain = Recurrent(kind)
    for seed, parameter in enumerate(plain.parameters()):
        parameter.data = normal(*parameter.shape, seed=seed) / 2
    layer = on_crossbars(plain, crossbars, seed=3)
    for seed, (_, own) in enumerate(analog_layers(layer)):
        own.counting, own.digital = True, digital
        if noisy:
            own.read_noise = 1e-4 * normal(*own.weight.shape, seed=seed).square()
        let_scales_differ(own, seed)
    return layer


def learned(layer: Any, *, first: bool = True) -> list[Tensor]:
    """Return outputs, state and gradients of a sequence whose state is looked at, too."""
    x = normal(STEPS, STREAMS, INPUTS, seed=9).requires_grad_()
    state = [normal(STREAMS, UNITS, seed=seed).requires_grad_(first) for seed in range(layer.parts)]
    y, after = layer(x, tuple(state))
    loss = (y * normal(*y.shape, seed=8)).sum() + sum(part.square().sum() for part in after)
    wanted = [x, *layer.parameters(), *(state if first else [])]
    return [y.detach(), *(part.detach() for part in after), *torch.autograd.grad(loss, wanted)]


@pytest.mark.parametrize("kind", UNITS_OF)
@pytest.mark.parametrize("case", CASES)
def test_any_units_over_time_are_the_loop_over_their_steps(
    kind: str, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, loop = placed(kind, case), placed(kind, case)
    found = learned(whole)
    monkeypatch.setattr(recurrent, "takes", never)
    for own, other in zip(found, learned(loop), strict=True):
        torch.testing.assert_close(own, other, atol=2e-5, rtol=2e-5)
    for (_, own), (_, other) in zip(analog_layers(whole), analog_layers(loop), strict=True):
        counted = vars(own.events), vars(other.events)
        assert counted[0] == pytest.approx(counted[1], rel=1e-6)
        assert any(counted[0].values())
        assert own.peaks == pytest.approx(other.peaks, rel=1e-5)
        assert own.scaled == other.scaled
        assert {name: stream.events for name, stream in own.noise.items()} == {
            name: stream.events for name, stream in other.noise.items()
        }


def test_a_gated_unit_is_that_of_torch_where_products_are_exact() -> None:
    layer: Any = placed("gru", "exact")
    with torch.random.fork_rng():
        theirs: Any = nn.GRU(INPUTS, UNITS)
    theirs.weight_ih_l0.data, theirs.bias_ih_l0.data = layer.from_input.weight.data, layer.from_input.bias.data
    theirs.weight_hh_l0.data = layer.from_state.weight.data
    nn.init.zeros_(theirs.bias_hh_l0)
    x, h = normal(STEPS, STREAMS, INPUTS, seed=1), normal(STREAMS, UNITS, seed=2)
    y, (last,) = layer(x, (h,))
    wanted, final = theirs(x, h[None])
    torch.testing.assert_close(y, wanted, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(last, final[0], atol=1e-6, rtol=1e-5)


def test_what_takes_no_sequence_as_a_whole_is_taken_step_by_step() -> None:
    """A layer that is on no crossbar, a state that does not learn, no steps and nothing to learn."""
    with torch.random.fork_rng():
        plain = Recurrent("gru")
    y, _ = plain(normal(STEPS, STREAMS, INPUTS, seed=1), (torch.zeros(STREAMS, UNITS),))
    assert y.shape == (STEPS, STREAMS, UNITS)
    on, off = placed("leaky", "converters"), placed("leaky", "converters")
    for own, other in zip(learned(on, first=False), learned(off)[: -on.parts], strict=True):
        torch.testing.assert_close(own, other, atol=2e-5, rtol=2e-5)
    assert on.from_state.events.mvm_backward == (STEPS - 1) * STREAMS < off.from_state.events.mvm_backward
    with torch.no_grad():
        quiet, _ = placed("leaky", "converters")(
            normal(STEPS, STREAMS, INPUTS, seed=9), tuple(normal(STREAMS, UNITS, seed=seed) for seed in (0, 1))
        )
    torch.testing.assert_close(quiet, learned(off)[0], atol=2e-5, rtol=2e-5)
    state = (torch.zeros(STREAMS, UNITS),)
    none, after = over_time(gru, torch.zeros(0, STREAMS, 3 * UNITS), state, plain.from_state)
    assert none.shape == (0, STREAMS, UNITS)
    assert after is state
