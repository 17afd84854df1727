"""Digital factors of the outputs of layers on crossbars: effective weights grow where conductances cannot."""

import copy
import itertools
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import nn

from dse.crossbar.analog import AnalogConv2d, AnalogLinear, Crossbars, analog_layers, on_crossbars
from dse.crossbar.error_spec import ConverterErrorSpec
from dse.crossbar.spec import AdcSpec, DacSpec, Scales
from dse.data.images import Dataset
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.errors import SettingError
from dse.networks.lstm.module import lstm_of
from tests.data import load


def layers(per: Scales, rate: float = 1.0) -> list[tuple[AnalogLinear | AnalogConv2d, torch.Tensor]]:
    """Return layers with inputs that fit them."""
    own = Crossbars(output_scale=per, output_scale_rate=rate)
    draws = torch.Generator().manual_seed(3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        linear, convolution = nn.Linear(5, 4), nn.Conv2d(2, 3, 3)
    return [
        (AnalogLinear(linear, own), torch.randn(6, 5, generator=draws)),
        (AnalogConv2d(convolution, own), torch.randn(2, 2, 6, 6, generator=draws)),
    ]


@pytest.mark.parametrize("counting", [False, True])
@pytest.mark.parametrize("per", ["layer", "column"])
def test_outputs_and_gradients_are_those_of_a_factor_before_the_bias(per: Scales, counting: bool) -> None:
    for layer, x in layers(per, rate=0.25):
        layer.counting = counting
        assert layer.learned_scale is not None
        assert layer.bias is not None
        factors = torch.linspace(0.5, 2.0, layer.learned_scale.numel())
        layer.learned_scale.data.copy_(factors)
        y = layer(x)
        scale, weight = factors.clone().requires_grad_(), layer.weight.detach().clone().requires_grad_()
        shape = [-1, *[1] * (weight.dim() - 2)]
        expected = layer.exact(x, weight) * scale.reshape(shape) + layer.bias.detach().reshape(shape)
        torch.testing.assert_close(y, expected)
        y.square().sum().backward()
        expected.square().sum().backward()
        torch.testing.assert_close(layer.weight.grad, weight.grad, rtol=1e-4, atol=1e-4)
        assert scale.grad is not None
        torch.testing.assert_close(layer.learned_scale.grad, 0.25 * scale.grad, rtol=1e-4, atol=1e-4)
        assert layer.scaled == ([y.numel(), 2 * y.numel()] if counting else [0, 0])


def test_a_compensation_comes_on_top() -> None:
    for layer, x in layers("layer"):
        assert layer.learned_scale is not None
        assert layer.bias is not None
        plain = layer(x)
        layer.learned_scale.data.fill_(2.0)
        layer.output_scale = torch.tensor(1.5)
        bias = layer.bias.reshape([-1, *[1] * (layer.weight.dim() - 2)])
        torch.testing.assert_close(layer(x) - bias, 3.0 * (plain - bias))


SMALL: dict[str, Any] = {
    "workload.dataset": "digits",
    "network.name": "cnn",
    "network.width": 0.25,
    "training.epochs": 1,
    "training.batch_size": 50,
    "array.output_scale": "column",
}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", 0.25)


def test_steps_of_an_lstm_with_scales_are_those_without_until_they_learn() -> None:
    """Scales of the products with the state learn, too."""
    found: list[tuple[torch.Tensor, list[torch.Tensor | None]]] = []
    for per in ("none", "layer"):
        own: Any = on_crossbars(lstm_of([6], 5, seed=1), Crossbars(output_scale=per))
        logits, _ = own(torch.arange(12).reshape(4, 3) % 5, own.start(3))
        logits.square().sum().backward()
        found.append((logits.detach(), [layer.weight.grad for _, layer in analog_layers(own)]))
        scales = [layer.learned_scale for _, layer in analog_layers(own)]
        assert (
            all(scale is None for scale in scales)
            if per == "none"
            else all(scale is not None and scale.grad is not None and float(scale.grad) != 0.0 for scale in scales)
        )
    torch.testing.assert_close(found[0], found[1])


def test_a_network_with_scales_that_learned_is_deployed_with_them(digits: Dataset) -> None:
    """Reads of the cells that training ended with, and without drift a compensation that changes nothing."""
    quiet = {"device.read_noise_scale": 0.0, "device.drift_exponent": 0.0, "array.output_scale_rate": 1.0}
    own = {**SMALL, **quiet, "deployment.times_s": [1.0], "deployment.compared": ["none"]}
    outcome = evaluate(compose(own), 1, digits)
    assert isinstance(outcome, Outcome)
    assert [e.compensation for e in outcome.deployments] == ["none", "gdc"]
    for own_metrics in (e.metrics for e in outcome.deployments):
        assert own_metrics["accuracy"] == pytest.approx(outcome.metrics["accuracy"], abs=0.006)


def test_scales_are_counted_and_take_bits(digits: Dataset) -> None:
    scaled, plain = (evaluate(compose({**SMALL, **own}), 1, digits) for own in ({}, {"array.output_scale": "none"}))
    assert isinstance(scaled, Outcome)
    assert isinstance(plain, Outcome)
    for own, without in zip(scaled.layers, plain.layers, strict=True):
        outputs = own.events["mvm_forward"] * own.cols
        assert own.events["scaled_forward"] == outputs
        assert own.events["scaled_backward"] == 2 * outputs
        assert own.inference_bits == without.inference_bits + 32 * own.cols
        assert "scaled_forward" not in without.events


TILES = Crossbars(tile_rows=4, tile_columns=3, output_scale="tile", output_scale_rate=0.25)
FINE: Any = {
    "dac": DacSpec(bits=14),
    "adc": AdcSpec(bits=14, range=8.0, backward_range=8.0, ranging="calibrated"),
}
NOTHING = ConverterErrorSpec(noise_std=1e-9)
"""Converters that err, by nothing that one sees."""
CONVERTERS: dict[str, Crossbars] = {
    "exact": TILES,
    "bits": replace(TILES, **FINE),
    "bits that err": replace(TILES, dac=FINE["dac"], adc=FINE["adc"].model_copy(update={"errors": NOTHING})),
    "bits of inputs": replace(TILES, dac=DacSpec(bits=14, coding="bit_serial"), adc=FINE["adc"]),
}


def tiled(crossbars: Crossbars, counting: bool = True) -> list[tuple[AnalogLinear | AnalogConv2d, torch.Tensor]]:
    """Return layers of several tiles both ways, whose tiles cut a kernel, with factors apart from 1."""
    draws = torch.Generator().manual_seed(3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        modules = nn.Linear(10, 7), nn.Conv2d(2, 4, 3, padding=1)
    found: list[tuple[AnalogLinear | AnalogConv2d, torch.Tensor]] = [
        (AnalogLinear(modules[0], crossbars), torch.randn(6, 10, generator=draws)),
        (AnalogConv2d(modules[1], crossbars), torch.randn(2, 2, 5, 5, generator=draws)),
    ]
    for layer, _ in found:
        layer.counting = counting
        assert layer.learned_scale is not None
        layer.learned_scale.data = torch.linspace(0.5, 2.0, layer.learned_scale.numel())
    return found


@pytest.mark.parametrize("case", CONVERTERS)
def test_a_factor_of_a_tile_multiplies_what_its_array_gives(case: str) -> None:
    """By the definition: weights of a tile times its factor; to the rounding of 14 bits where converters have some."""
    close = 1e-4 if case == "exact" else 0.01
    for layer, x in tiled(CONVERTERS[case]):
        assert layer.learned_scale is not None
        rows, columns = layer.row_tiles, layer.column_tiles
        scale = layer.learned_scale.detach().clone().requires_grad_()
        weight = layer.weight.detach().clone().requires_grad_()
        spread = torch.empty(layer.cols, layer.rows)
        for own, (above, left) in zip(scale, itertools.product(rows, columns), strict=True):
            spread[slice(*left), slice(*above)] = own
        given = [x.clone().requires_grad_() for _ in range(2)]
        y = layer(given[0])
        bias = cast("torch.Tensor", layer.bias).detach().reshape(layer.per_column)
        wanted = layer.exact(given[1], weight * spread.view(weight.shape)) + bias
        torch.testing.assert_close(y, wanted, rtol=close, atol=close)
        y.square().sum().backward()
        wanted.square().sum().backward()
        pairs = [(layer.weight, weight), (layer.learned_scale, scale), (given[0], given[1])]
        for (own, other), share in zip(pairs, (1.0, 0.25, 1.0), strict=True):
            assert own.grad is not None
            assert other.grad is not None
            size = float(other.grad.abs().max())
            torch.testing.assert_close(own.grad / size, share * other.grad / size, rtol=close, atol=close)
        vectors = y.numel() // layer.cols
        outputs = vectors * layer.cols * len(rows)
        assert layer.scaled == [outputs, 2 * outputs + vectors * layer.rows * len(columns)]


def test_fixed_factors_leave_the_network_as_it_was_and_let_all_columns_use_the_range_alike() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        digital = nn.Conv2d(2, 6, 3)
    digital.weight.data *= torch.linspace(0.1, 2.0, 6)[:, None, None, None]
    whole = float(digital.weight.detach().square().mean().sqrt())
    x = torch.randn(3, 2, 5, 5, generator=torch.Generator().manual_seed(2))
    before, weight = digital(x), digital.weight.detach().clone()
    for per in ("column", "tile"):
        own = Crossbars(tile_rows=8, tile_columns=2, output_scale=per, output_scale_kind="fixed")
        layer = AnalogConv2d(copy.deepcopy(digital), own)
        assert layer.learned_scale is not None
        assert not layer.learned_scale.requires_grad
        layer.counting = True
        torch.testing.assert_close(layer(x), before, rtol=1e-4, atol=1e-5)
        groups = layer.weight.detach().flatten(1)
        blocks = [groups[slice(*columns), slice(*rows)] for rows in layer.row_tiles for columns in layer.column_tiles]
        for group in groups if per == "column" else blocks:
            assert float(group.square().mean().sqrt()) == pytest.approx(whole, rel=1e-5)
        assert not torch.equal(layer.weight, weight)
    largest = AnalogConv2d(
        copy.deepcopy(digital), Crossbars(output_scale="column", output_scale_kind="fixed", output_scale_by="largest")
    )
    assert [float(row.abs().max()) for row in largest.weight.detach()] == pytest.approx([float(weight.abs().max())] * 6)


def test_factors_that_do_not_learn_are_counted_once_an_error(digits: Dataset) -> None:
    outcome = evaluate(compose({**SMALL, "array.output_scale_kind": "fixed"}), 1, digits)
    assert isinstance(outcome, Outcome)
    for own in outcome.layers:
        assert own.events["scaled_backward"] == own.events["scaled_forward"] == own.events["mvm_forward"] * own.cols


def test_tiles_are_trained_and_deployed_with_their_factors(digits: Dataset) -> None:
    quiet = {"device.read_noise_scale": 0.0, "device.drift_exponent": 0.0, "array.output_scale_rate": 1.0}
    tiles = {"array.output_scale": "tile", "array.tile_rows": 20, "array.tile_columns": 6}
    outcome = evaluate(compose({**SMALL, **quiet, **tiles, "deployment.times_s": [1.0]}), 1, digits)
    assert isinstance(outcome, Outcome)
    for own_metrics in (e.metrics for e in outcome.deployments):
        assert own_metrics["accuracy"] == pytest.approx(outcome.metrics["accuracy"], abs=0.006)
    for own in outcome.layers:
        assert own.events["scaled_forward"] == own.events["mvm_forward"] * own.cols * own.row_tiles


def test_a_fixed_factor_of_a_whole_layer_is_refused_because_it_is_one() -> None:
    one = {**SMALL, "array.output_scale": "layer"}
    assert compose({**one, "array.output_scale_kind": "fixed"}).key == compose(one).key
    with torch.random.fork_rng(devices=[]):
        linear = nn.Linear(3, 2)
    with pytest.raises(SettingError, match="every factor at 1"):
        AnalogLinear(linear, Crossbars(output_scale="layer", output_scale_kind="fixed"))
