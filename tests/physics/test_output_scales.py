"""Learned digital factors of the outputs of layers on crossbars: effective weights grow where conductances cannot."""

from typing import Any

import pytest
import torch
from torch import nn

from dse.crossbar.analog import AnalogConv2d, AnalogLinear, Crossbars, analog_layers, on_crossbars
from dse.crossbar.spec import Scales
from dse.data.images import Dataset
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
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
