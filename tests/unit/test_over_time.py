"""Recurrent layers taken over time are the loop over single products: equal draws and counts, sums to rounding."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dse.crossbar.analog import AnalogLayer, Crossbars, analog_layers, on_crossbars
from dse.crossbar.analog.earlier import as_made
from dse.crossbar.analog.over_time import Steps, takes
from dse.crossbar.analog.passes import add_noise
from dse.crossbar.analog.reads import BACKWARD, FORWARD, noisy
from dse.crossbar.spec import AdcSpec, DacSpec
from dse.kernel import recurrent
from dse.kernel.arithmetic import compiled
from dse.networks.lstm import module
from dse.networks.lstm.module import LstmLayer
from dse.streams import Stream

STEPS, STREAMS, INPUTS, UNITS = 7, 3, 5, 6
EIGHT = Crossbars(DacSpec(bits=8), AdcSpec(bits=8, range=2.0, backward_range=1.0, ranging="calibrated"))
SIX = DacSpec(bits="ideal", backward_bits=6), AdcSpec(bits=6, backward_bits="ideal")
CASES: dict[str, tuple[Crossbars, bool, bool]] = {
    "digital": (Crossbars(), False, True),
    "exact": (Crossbars(), False, False),
    "read noise": (Crossbars(), True, False),
    "read noise once a step": (Crossbars(read_noise_per="mini_batch"), True, False),
    "converters": (EIGHT, False, False),
    "converters on one side, operands": (Crossbars(*SIX, operand_bits=5), False, False),
    "tiles, converters, read noise": (Crossbars(EIGHT.dac, EIGHT.adc, tile_rows=4, tile_columns=9), True, False),
    "a factor of a layer, and a compensation": (Crossbars(output_scale="layer", output_scale_rate=0.3), True, False),
    "factors of columns, converters, tiles": (
        Crossbars(EIGHT.dac, EIGHT.adc, tile_rows=4, tile_columns=9, output_scale="column", output_scale_rate=0.3),
        True,
        False,
    ),
}
"""Crossbars, read noise, digital words."""


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def never(*_: object) -> bool:
    """Stand for `takes` where nothing is taken over time."""
    return False


def look(*_: object) -> None:
    """Look at a product and leave it as it is."""


def let_scales_differ(layer: AnalogLayer, seed: int) -> None:
    """Set factors that learn apart from 1; a layer that has one gets further ones of its columns."""
    if layer.learned_scale is None:
        return
    layer.learned_scale.data = 1.0 + 0.3 * normal(layer.learned_scale.numel(), seed=seed)
    if layer.crossbars.output_scale == "layer":
        layer.output_scale = 1.0 + 0.1 * normal(layer.cols, seed=seed + 1)


def layer_of(crossbars: Crossbars, noisy: bool, digital: bool, *, counting: bool = True) -> Any:
    with torch.random.fork_rng():
        plain = LstmLayer(INPUTS, UNITS)
    for seed, parameter in enumerate(plain.parameters()):
        parameter.data = normal(*parameter.shape, seed=seed) / 2
    layer = on_crossbars(plain, crossbars, seed=3)
    for seed, (_, own) in enumerate(analog_layers(layer)):
        own.counting, own.digital = counting, digital
        if noisy:
            own.read_noise = 1e-4 * normal(*own.weight.shape, seed=seed).square()
        let_scales_differ(own, seed)
    return layer


def learned(layer: Any) -> tuple[list[Tensor], list[Tensor]]:
    """Return outputs and gradients of a sequence whose state is looked at, too."""
    given = [normal(*shape, seed=9).requires_grad_() for shape in ((STEPS, STREAMS, INPUTS), *[(STREAMS, UNITS)] * 2)]
    y, (h, c) = layer(given[0], (given[1], given[2]))
    loss = (y * normal(*y.shape, seed=8)).sum() + 0.3 * h.sum() + c.square().sum()
    return [y.detach(), h.detach(), c.detach()], list(torch.autograd.grad(loss, [*given, *layer.parameters()]))


def both(case: str, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> list[tuple[Any, Any]]:
    whole, steps = (layer_of(*CASES[case], **settings) for _ in range(2))
    found = [(whole, learned(whole))]
    monkeypatch.setattr(module, "takes", never)
    return [*found, (steps, learned(steps))]


@pytest.mark.parametrize("case", CASES)
def test_a_sequence_as_one_function_is_the_loop_over_its_steps(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole, found), (steps, wanted) = both(case, monkeypatch)
    # A value whose sums round to two sides of a converter's step differs by that step; these seeds have none.
    for group in (0, 1):
        for own, other in zip(found[group], wanted[group], strict=True):
            torch.testing.assert_close(own, other, atol=2e-5, rtol=2e-5)
    for (_, own), (_, other) in zip(analog_layers(whole), analog_layers(steps), strict=True):
        counted = (vars(own.events), vars(other.events))
        assert counted[0] == pytest.approx(counted[1], rel=1e-6)
        assert all(counted[0][name] == value for name, value in counted[1].items() if isinstance(value, int))
        assert own.peaks == pytest.approx(other.peaks, rel=1e-5)
        assert own.scaled == other.scaled
        assert (own.scaled[1] == 2 * STEPS * STREAMS * own.cols) is (own.learned_scale is not None)
        assert {name: stream.events for name, stream in own.noise.items()} == {
            name: stream.events for name, stream in other.noise.items()
        }
    assert CASES[case][2] or whole.from_state.events.mvm_backward == STEPS * STREAMS


def test_products_that_are_measured_draw_from_the_noise_of_evaluations_and_count_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (whole, found), (_, wanted) = both("tiles, converters, read noise", monkeypatch, counting=False)
    torch.testing.assert_close(found[0][0], wanted[0][0], atol=2e-5, rtol=2e-5)
    for _, layer in analog_layers(whole):
        assert not any(vars(layer.events).values())
        assert layer.noise["forward"].events == 0 < layer.noise["evaluation"].events


@pytest.mark.parametrize("way", [FORWARD, BACKWARD])
def test_noise_of_every_step_has_its_exact_variance(way: int) -> None:
    """Five standard deviations of mean and variance: a false alarm in 600,000 runs each, were the seed not fixed."""
    layer = layer_of(Crossbars(), noisy=False, digital=False).from_state
    weight = layer.weight.detach()
    layer.read_noise = 1e-3 * normal(*weight.shape, seed=5).square()
    matrix, variance = (own.t() if way == FORWARD else own for own in (weight, layer.read_noise))
    x, y = normal(2, 1000, len(matrix), seed=6), torch.empty(2, 1000, matrix.shape[1])
    steps = Steps(layer, way, weight, x, y)
    for t in (0, 1):
        steps.take(t)
    noise = ((y - x @ matrix) / (x.square() @ variance).sqrt()).double()
    assert abs(float(noise.mean())) < 5.0 / math.sqrt(noise.numel())
    assert abs(float(noise.var()) - 1.0) < 5.0 * math.sqrt(2.0 / noise.numel())


@pytest.mark.parametrize("shape", [(3, 300), (2, 3, 5, 7)])
def test_noise_in_one_pass_is_that_of_torch_to_rounding(shape: tuple[int, ...]) -> None:
    y, variance = normal(*shape, seed=1), 1e-2 * normal(*shape, seed=2)  # some variances are below zero
    found, draws = y.clone(), Stream(7, 11)
    assert add_noise(found, variance, draws)
    assert draws.events == 11 + y.numel()
    torch.testing.assert_close(found, noisy(y, variance, Stream(7, 11)), atol=1e-6, rtol=1e-6)
    assert not torch.equal(found, y)
    assert not add_noise(y.double(), variance.double(), draws)
    assert not add_noise(y.transpose(-1, -2), variance.transpose(-1, -2), draws)


def test_noise_of_an_image_goes_by_the_order_of_its_memory() -> None:
    """Five standard deviations of the variance."""
    y, variance = (torch.full((8, 16, 20, 20), value).to(memory_format=torch.channels_last) for value in (0.0, 0.25))
    assert add_noise(y, variance, Stream(7))
    assert abs(float(y.double().var()) - 0.25) < 5.0 * 0.25 * math.sqrt(2.0 / y.numel())
    in_memory = y.permute(0, 2, 3, 1).reshape(-1)
    torch.testing.assert_close(in_memory, 0.5 * Stream(7).next_normal(1, y.numel())[:, 0], atol=1e-6, rtol=1e-6)


def test_products_are_taken_as_in_the_version_that_made_a_row() -> None:
    layer = layer_of(Crossbars(), noisy=True, digital=False)
    own, x = layer.from_input, normal(1, 4000, INPUTS, seed=1)
    with torch.no_grad(), as_made(over_time=False, scaled_over_time=False, noise_in_one_pass=False):
        assert not takes(layer.from_state, x)
        earlier = own(x) - own.bias
    noise = layer_of(Crossbars(), noisy=True, digital=False).from_input.noise["forward"]
    exact = own.exact(x[0], own.weight).detach()
    variance = own.exact(x[0].square(), own.read_noise)
    wanted = torch.addcmul(exact, variance.sqrt(), noise.next_normal(1, vectors=exact.numel()).reshape(exact.shape))
    torch.testing.assert_close(earlier[0], wanted, atol=1e-6, rtol=1e-6)
    assert takes(layer.from_state, x)
    layer.from_state.output_scale = torch.tensor(0.5)
    with as_made(over_time=True, scaled_over_time=False, noise_in_one_pass=True):
        assert not takes(layer.from_state, x)


@pytest.mark.parametrize("frozen", [["weight"], ["learned_scale"], ["weight", "learned_scale"]])
def test_what_is_frozen_is_neither_learned_nor_counted(frozen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the products with the state; the state before the first step wants no error either."""
    found: list[tuple[list[int], Any]] = []
    for as_whole in (True, False):
        layer = layer_of(*CASES["factors of columns, converters, tiles"])
        for name in frozen:
            getattr(layer.from_state, name).requires_grad_(requires_grad=False)
        if not as_whole:
            monkeypatch.setattr(module, "takes", never)
        y, _ = layer(normal(STEPS, STREAMS, INPUTS, seed=9), [normal(STREAMS, UNITS, seed=own) for own in (1, 2)])
        y.square().sum().backward()
        found.append((layer.from_state.scaled, {name: own.grad for name, own in layer.named_parameters()}))
        assert all((own is None) == (name in {f"from_state.{f}" for f in frozen}) for name, own in found[-1][1].items())
    assert found[0][0] == found[1][0]
    for name, own in found[0][1].items():
        if own is not None:
            torch.testing.assert_close(own, found[1][1][name], atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("change", ["double scale", "bias", "watching", "hook", "double"])
def test_what_is_not_taken_over_time_goes_one_by_one(change: str) -> None:
    layer = layer_of(EIGHT, noisy=True, digital=False)
    own, x = layer.from_state, normal(STEPS, STREAMS, INPUTS, seed=1)
    assert takes(own, x)
    if change == "double scale":
        own.output_scale = torch.tensor(0.5, dtype=torch.float64)
    elif change == "bias":
        own.bias = nn.Parameter(torch.zeros(own.cols))
    elif change == "watching":
        own.watching = True
    elif change == "hook":
        own.register_forward_hook(look)
    assert not takes(own, x.double() if change == "double" else x)
    with torch.no_grad():
        y, _ = layer(x, (torch.zeros(STREAMS, UNITS), torch.zeros(STREAMS, UNITS)))
    assert y.shape == (STEPS, STREAMS, UNITS)


@compiled
def _tanh(x: Any, out: Any) -> None:
    for j in range(x.size):
        out[j] = recurrent.tanh_of(x[j])


def test_the_tangent_is_that_of_double_precision() -> None:
    x = np.concatenate([np.linspace(-12, 12, 4001), np.geomspace(1e-30, 1.0, 500), [np.inf, -np.inf]]).astype(
        np.float32
    )
    found = np.empty_like(x)
    _tanh(x, found)
    exact = np.tanh(x.astype(np.float64))
    assert float(np.abs(found - exact).max()) < 2e-7
    assert float((np.abs(found - exact)[x != 0] / np.abs(exact[x != 0])).max()) < 4e-7
    nan = np.full(3, np.nan, np.float32)
    _tanh(nan, nan)
    assert all(math.isnan(value) for value in nan)
