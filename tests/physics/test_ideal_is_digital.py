"""An ideal cell trains like digital floats, and digital floats train like automatic differentiation."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from dse.data.images import Dataset, Split
from dse.designs.design import compose
from dse.designs.hardware import hardware_of
from dse.tasks.curve import Epoch
from dse.updates.layers import CrossbarLayer, FloatLayer
from dse.updates.training import TrainingSpec
from tests.data import load
from tests.perceptron import train

GRANULARITY_US = 1e-5
BETA_US = 8.0
SIZES = [(65, 16), (17, 10)]
SEED = 7


def ideal_layers(
    bits: int | str, rounding: str = "nearest", granularity_us: float = GRANULARITY_US
) -> list[CrossbarLayer]:
    settings = {
        "device.card": "ideal_linear",
        "device.granularity_us": granularity_us,
        "device.mean_offset_us": granularity_us,
        "dac.bits": "ideal",
        "adc.bits": "ideal",
        "accumulator.bits": bits,
        "accumulator.rounding": rounding,
        "refresh.every_samples": 0,
    }
    hardware = hardware_of(compose(settings))
    assert hardware is not None
    return [CrossbarLayer(r, c, hardware, seed=SEED, layer=i) for i, (r, c) in enumerate(SIZES)]


def float_layers(sizes: list[tuple[int, int]] = SIZES) -> list[FloatLayer]:
    return [FloatLayer(r, c, seed=SEED, layer=i) for i, (r, c) in enumerate(sizes)]


def trained(layers: list[CrossbarLayer] | list[FloatLayer], data: Dataset, epochs: int = 2) -> list[Epoch]:
    spec = TrainingSpec(epochs=epochs, batch_size=10, learning_rate=2.0)
    return train(layers, data, spec, sample_time_s=1e-3, maintain_every=0, seed=SEED)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", 0.0)


@pytest.fixture(scope="module")
def control(digits: Dataset) -> tuple[list[FloatLayer], list[Epoch]]:
    layers = float_layers()
    return layers, trained(layers, digits)


def outputs(weights: list[Tensor], images: Tensor) -> Tensor:
    x = images
    for weight in weights:
        x = torch.sigmoid(torch.cat([x, torch.ones(len(x), 1)], dim=1) @ weight)
    return x


def test_an_ideal_cell_starts_where_the_digital_control_does() -> None:
    for crossbar, digital in zip(ideal_layers(32), float_layers(), strict=True):
        assert torch.equal(crossbar.sensed.weight, digital.weight)


@pytest.mark.parametrize(("bits", "rounding"), [("float", "nearest"), (32, "nearest"), (32, "stochastic")])
def test_an_ideal_cell_with_fine_pulses_trains_like_digital_floats(
    bits: int | str, rounding: str, digits: Dataset, control: tuple[list[FloatLayer], list[Epoch]]
) -> None:
    layers = ideal_layers(bits, rounding)
    curve = trained(layers, digits)
    digital, expected = control
    pulse = GRANULARITY_US / BETA_US
    for crossbar, other in zip(layers, digital, strict=True):
        # What still gathers in chi is missing from the array, and so are its consequences for later updates.
        assert float((crossbar.sensed.weight - other.weight).abs().max()) < 10 * pulse
    ours = outputs([layer.sensed.weight for layer in layers], digits.test.images)
    theirs = outputs([layer.weight for layer in digital], digits.test.images)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0.0)
    assert torch.equal(ours.argmax(dim=1), theirs.argmax(dim=1))
    assert [point.metrics for point in curve] == [point.metrics for point in expected]
    assert [point.loss for point in curve] == pytest.approx([point.loss for point in expected], rel=1e-5)
    assert curve[-1].metrics["accuracy"] > 0.7


def test_the_distance_to_digital_floats_shrinks_with_the_granularity_of_a_pulse(
    digits: Dataset, control: tuple[list[FloatLayer], list[Epoch]]
) -> None:
    distances: list[float] = []
    for granularity_us in (1e-1, 1e-2, 1e-3, 1e-4):
        layers = ideal_layers(32, granularity_us=granularity_us)
        trained(layers, digits)
        pairs = zip(layers, control[0], strict=True)
        distances.append(max(float((a.sensed.weight - b.weight).abs().max()) for a, b in pairs))
    orders = [math.log10(coarse / fine) for coarse, fine in pairwise(distances)]
    assert orders == pytest.approx([1.0, 1.0, 1.0], abs=0.3)


def test_the_weights_and_what_gathers_in_chi_are_the_digital_weights() -> None:
    """One step, so that the digital and the analog network see the same errors."""
    x = torch.rand((10, 65), generator=torch.Generator().manual_seed(1))
    d = torch.randn((10, 16), generator=torch.Generator().manual_seed(2))
    crossbar, digital = ideal_layers(32)[0], float_layers()[0]
    crossbar.update(x, d, 0.3, 0.0)
    digital.update(x, d, 0.3, 0.0)
    crossbar.sense(0.0)
    assert float((crossbar.sensed.weight - digital.weight).abs().max()) < 1.1 * GRANULARITY_US / BETA_US
    torch.testing.assert_close(crossbar.sensed.weight + crossbar.accumulator.chi, digital.weight, atol=2e-6, rtol=0.0)


@pytest.mark.parametrize("hidden", [[5], [6, 4]])
def test_one_step_of_the_loop_follows_the_gradient_of_automatic_differentiation(hidden: list[int]) -> None:
    batch, pixels, classes, rate = 12, 8, 3, 1000.0
    draws = torch.Generator().manual_seed(3)
    images = torch.rand((batch, pixels), generator=draws)
    labels = torch.randint(0, classes, (batch,), generator=draws)
    split = Split(images, labels)
    data = Dataset("made up", train=split, validation=None, test=split, classes=classes, checksum="")
    units = [pixels, *hidden, classes]
    layers = float_layers([(a + 1, b) for a, b in pairwise(units)])

    weights = [layer.weight.double().requires_grad_() for layer in layers]
    x = images.double()
    for weight in weights:
        x = torch.sigmoid(torch.cat([x, torch.ones(batch, 1, dtype=torch.float64)], dim=1) @ weight)
    target = torch.nn.functional.one_hot(labels, classes).double()
    loss = 0.5 * ((x - target) ** 2).sum() / batch
    loss.backward()

    spec = TrainingSpec(epochs=1, batch_size=batch, learning_rate=rate)
    curve = train(layers, data, spec, sample_time_s=0.0, maintain_every=0, seed=1)
    assert curve[0].loss == pytest.approx(loss.item(), rel=1e-6)
    for layer, weight in zip(layers, weights, strict=True):
        # A large step, so that the weights it leaves show the gradient to six digits.
        step = (weight.detach() - layer.weight.double()) / rate
        assert weight.grad is not None
        assert float(weight.grad.abs().max()) > 1e-4
        torch.testing.assert_close(step, weight.grad, atol=1e-8, rtol=1e-4)
