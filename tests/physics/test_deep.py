"""Deep networks learn: ideal crossbars like plain descent, everything the same twice, and what is counted adds up."""

import dataclasses
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from dse.crossbar.analog import analog_layers
from dse.crossbar.events import EVENT_NAMES
from dse.data.augmentation import Pictures
from dse.data.images import Dataset, Split
from dse.designs.design import Design, compose
from dse.designs.evaluate import evaluate
from dse.designs.hardware import hardware_of
from dse.designs.outcome import Failure, Outcome
from dse.tasks.modules import schedule
from dse.tasks.pictures import outputs_of
from dse.updates.mixed_precision.descent import CrossbarDescent
from dse.updates.sgd.descent import DigitalDescent
from tests.data import load
from tests.networks import placed

SMALL: dict[str, Any] = {
    "network.name": "cnn",
    "network.width": 0.25,
    "training.epochs": 2,
    "training.batch_size": 32,
    "training.learning_rate": 0.5,
}
QUIET: dict[str, Any] = {"dac.bits": "ideal", "adc.bits": "ideal", "device.read_noise_scale": 0.0}
IDEAL: dict[str, Any] = {
    **QUIET,
    "device.card": "ideal_linear",
    "device.g_max_us": 1000.0,
    "device.g_min_us": 0.0,
    "device.granularity_us": 1e-3,
    "device.mean_offset_us": 1e-3,
    "array.initial_mean_us": 500.0,
    "accumulator.bits": "float",
    "refresh.every_samples": 0,
}
DIGITAL: dict[str, Any] = {**SMALL, "architecture": "float"}


@cache
def digits() -> Dataset:
    """Some of the digits, so that a training takes a moment."""
    data = load("digits", 0.25)
    assert data.validation is not None
    parts = (("train", data.train, 200), ("validation", data.validation, 60), ("test", data.test, 60))
    few = {name: Split(s.images[:n], s.labels[:n], s.full_scale) for name, s, n in parts}
    return dataclasses.replace(data, **few)


def outcome(settings: dict[str, Any], seed: int = 0) -> Outcome:
    found = evaluate(compose(settings), seed, digits())
    assert isinstance(found, Outcome), found
    return found


def loss_of(settings: dict[str, Any]) -> float:
    return outcome(settings).curve[-1].loss


@pytest.mark.parametrize(
    "settings",
    [
        {**DIGITAL, "training.weight_noise": 0.04, "training.clip_std": 2.0, "training.augmentation": "crop_flip"},
        SMALL,
        {**SMALL, "accumulator.bits": 7, "accumulator.rounding": "stochastic", "accumulator.storage": "pcm"},
    ],
)
def test_the_same_design_and_seed_give_the_same_outcome_to_the_last_bit(settings: dict[str, Any]) -> None:
    first, second, other = outcome(settings), outcome(settings), outcome(settings, seed=1)
    assert dataclasses.asdict(first) == dataclasses.asdict(second)
    assert first.curve != other.curve


def test_ideal_cells_learn_like_plain_digital_descent() -> None:
    digital = outcome({**DIGITAL, "training.momentum": 0.0, "training.weight_decay": 0.0})
    ideal = outcome({**SMALL, **IDEAL})
    for own, other in zip(ideal.curve, digital.curve, strict=True):
        assert own.loss == pytest.approx(other.loss, rel=0.01)
    assert ideal.metrics["accuracy"] == pytest.approx(digital.metrics["accuracy"], abs=0.03)


def test_a_measured_cell_learns_and_its_events_are_those_of_its_shapes() -> None:
    found = outcome({**SMALL, "training.epochs": 6, "training.learning_rate": 1.0})
    assert found.curve[-1].loss < 0.75 * found.curve[0].loss
    assert found.simulated_time_s == pytest.approx(6 * 200 * 0.01)
    for layer in found.layers:
        events, places = layer.events, {0: 64, 1: 16, 2: 4, 3: 1}[layer.layer]
        assert layer.places == places
        vectors = 6 * 200 * places
        assert events["mvm_forward"] == vectors
        assert events["mvm_backward"] == (0 if layer.layer == 0 else vectors)
        assert layer.bias_rows == 0
        assert events["adc_forward"] == vectors * layer.cols * layer.row_tiles
        assert events["dac_forward"] == vectors * layer.rows * layer.column_tiles
        assert events["macs_update"] == vectors * layer.rows * layer.cols
        assert events["activations"] == vectors * layer.cols
        assert events["chi_adds"] == 6 * 7 * layer.rows * layer.cols
        assert 0 < events["line_drives_forward"] < vectors * layer.rows
        assert events["set_pulses_update"] > 0
        assert layer.cells == 2 * layer.rows * layer.cols
        assert layer.adc_range is not None
        assert layer.adc_range < 8.0  # calibrated
        assert layer.mean_conductance_us is not None
    assert found.metrics["cells"] == 2 * found.metrics["weights"]


def test_a_digital_network_counts_multiplications() -> None:
    found = outcome(DIGITAL)
    for layer in found.layers:
        places = {0: 64, 1: 16, 2: 4, 3: 1}[layer.layer]
        products = 2 * 200 * places * layer.rows * layer.cols
        words = 2 * 7 * 2 * layer.rows * layer.cols  # of weights and of their velocities
        assert layer.events["macs_forward"] == layer.events["macs_update"] == products
        assert layer.events["macs_backward"] == (products if layer.layer else 0)
        assert layer.places == places
        assert layer.events["weight_reads"] == products // places * (2 if layer.layer else 1) + words
        assert layer.events["weight_writes"] == words
        assert layer.cells == layer.events["mvm_forward"] == 0
    assert found.metrics["inference_bits"] == 32 * found.metrics["weights"]
    assert set(EVENT_NAMES) == set(found.layers[0].events)


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "acting",
    [
        {"dac.bits": 3},
        {"adc.bits": 3},
        {"dac.backward_bits": 2},
        {"adc.backward_bits": 2},
        {"adc.headroom": 0.3},
        {"adc.calibrate_every_samples": 200},
        {"adc.ranging": "fixed"},
        {"array.tile_rows": 8},
        {"array.tile_columns": 2},
        {"device.read_noise_scale": 2.0},
        {"array.read_noise_per": "mini_batch"},
        {"array.conductance_per_std_us": 1.5},
        {"array.wires.row_ohm": 30.0},
        {"accumulator.bits": 3},
        {"accumulator.operand_bits": 3},
        {"accumulator.inference": "cells_and_accumulator"},
        {"device.drift_exponent": 0.5, "clock.sample_time_s": 1.0},
        {"training.schedule": "step"},
        {"training.augmentation": "crop_flip"},
    ],
)
def test_every_setting_acts(acting: dict[str, Any]) -> None:
    base = {**SMALL, "training.learning_rate": 1.0, "adc.calibrate_every_samples": 100}
    assert accuracies(base | acting) != accuracies(base)


@pytest.mark.parametrize(
    "acting",
    [
        {"training.momentum": 0.5},
        {"training.weight_decay": 0.1},
        {"training.weight_noise": 0.1},
        {"training.weight_noise": 0.1, "training.weight_noise_ramp_epochs": 2},
        {"training.clip_std": 1.0},
        {"training.schedule": "constant"},
    ],
)
def test_every_digital_setting_acts(acting: dict[str, Any]) -> None:
    assert accuracies(DIGITAL | acting) != accuracies(DIGITAL)


_found: dict[str, list[Any]] = {}


def accuracies(settings: dict[str, Any]) -> list[Any]:
    """Losses and accuracies of a training, kept for those that compare with the same one."""
    if str(settings) not in _found:
        found = outcome(settings)
        _found[str(settings)] = [(p.loss, p.metrics) for p in found.curve]
    return _found[str(settings)]


def test_a_training_that_diverges_is_a_failure_with_a_reason() -> None:
    for settings in ({**SMALL, "training.learning_rate": 1e25}, {**DIGITAL, "training.learning_rate": 1e25}):
        found = evaluate(compose(settings), 0, digits())
        assert isinstance(found, Failure)
        assert found.kind == "diverged"


def network(**settings: Any) -> tuple[Design, nn.Module]:
    design = compose({**SMALL, **settings})
    return design, placed(design, (1, 8, 8))


def test_noise_on_the_weights_has_its_size_and_gradients_go_to_the_clean_ones() -> None:
    design, own = network(**{"architecture": "float", "network.width": 1.0, "training.weight_noise": 0.05})
    descent = DigitalDescent(own, design.training, seed=0)
    seen = []
    for _ in range(2):
        descent.prepare(0.0)
        layer = list(analog_layers(own))[2][1]
        assert layer.effective_weight is not None
        seen.append(layer.effective_weight - layer.weight.detach())
    assert not torch.equal(*seen)
    wanted = 0.05 * float(layer.weight.detach().abs().max())
    # 5 deviations of the deviation of 18,432 numbers.
    assert float(seen[0].std()) == pytest.approx(wanted, rel=5 / (2 * layer.weight.numel()) ** 0.5)
    with descent.measuring(0.0):
        assert layer.effective_weight is None


def test_noise_grows_along_its_ramp() -> None:
    noise = {"training.weight_noise": 0.05, "training.weight_noise_ramp_epochs": 2}
    design, own = network(**{"architecture": "float", **noise})
    sizes = []
    for epochs in (0.0, 1.0, 2.0):
        descent = DigitalDescent(own, design.training, seed=0)
        descent.prepare(epochs)
        layer = next(layer for _, layer in analog_layers(own))
        held = layer.effective_weight
        sizes.append(0.0 if held is None else float((held - layer.weight.detach()).norm()))
    assert sizes[0] == 0.0
    assert sizes[2] == pytest.approx(2.0 * sizes[1], rel=1e-5)


def test_weights_are_kept_within_their_bound() -> None:
    design, own = network(**{"architecture": "float", "training.clip_std": 1.5})
    descent = DigitalDescent(own, design.training, seed=0)
    stds = [float(layer.weight.detach().std(correction=0)) for _, layer in analog_layers(own)]
    descent.prepare(0.0)
    descent.step(0.1, 1)  # no gradients: clipping alone
    for (_, layer), std in zip(analog_layers(own), stds, strict=True):
        assert float(layer.weight.detach().abs().max()) == pytest.approx(1.5 * std, rel=1e-5)


def crossbar_descent(design: Design, own: nn.Module, *, both: bool = False) -> CrossbarDescent:
    hardware = hardware_of(design)
    assert hardware is not None
    return CrossbarDescent(
        own,
        hardware,
        conductance_per_std_us=design.array.conductance_per_std_us,
        with_accumulator=both,
        seed=0,
        sample_time_s=0.01,
        drift_every=100,
    )


def test_a_layer_s_conductance_follows_the_deviation_of_its_weights() -> None:
    design, own = network(**{"array.conductance_per_std_us": 3.0})
    stds = {f"{name}.weight": float(layer.weight.detach().square().mean().sqrt()) for name, layer in analog_layers(own)}
    for pair in crossbar_descent(design, own).pairs:
        assert pair.layer.array.beta_us * stds[pair.name] == pytest.approx(3.0, rel=1e-5)


def test_a_layer_s_conductance_follows_the_largest_of_its_weights() -> None:
    design, own = network(**{"array.mapping": "largest", "array.conductance_at_largest_us": 5.0})
    largest = {f"{name}.weight": float(layer.weight.detach().abs().max()) for name, layer in analog_layers(own)}
    for pair in crossbar_descent(design, own).pairs:
        cells, beta = pair.layer.array.cells.g_us, pair.layer.array.beta_us
        assert beta * largest[pair.name] == pytest.approx(5.0, rel=1e-5)
        assert float((cells[0] - cells[1]).abs().max()) == pytest.approx(5.0, rel=1e-4)


@pytest.mark.parametrize("both", [False, True])
def test_inference_takes_the_cells_with_or_without_the_accumulators(both: bool) -> None:
    design, own = network(**QUIET)
    descent = crossbar_descent(design, own, both=both)
    data = digits()
    images = Pictures(data).batch(data.train, torch.arange(32))
    descent.prepare(0.0)
    functional.cross_entropy(own(images), data.train.labels[:32]).backward()
    descent.step(0.5, 32)
    now_s = 1e4
    with descent.measuring(now_s):
        for (_, layer), pair in zip(analog_layers(own), descent.pairs, strict=True):
            g = pair.layer.array.cells.conductance_us(now_s)
            held = (g[0, 0] - g[1, 0]) / pair.layer.array.beta_us + (pair.layer.accumulator.chi if both else 0.0)
            assert layer.effective_weight is not None
            assert torch.allclose(layer.effective_weight, held.reshape(layer.weight.shape), atol=1e-6)
            assert not layer.counting
            assert float(pair.layer.accumulator.chi.abs().max()) > 0.0
    assert all(layer.effective_weight is None and layer.counting for _, layer in analog_layers(own))


def test_read_noise_of_products_follows_the_cells_as_they_are_pulsed() -> None:
    design, own = network()
    descent = crossbar_descent(design, own)
    layer, pair = next(layer for _, layer in analog_layers(own)), descent.pairs[0]
    cell, g = pair.layer.hardware.cell, pair.layer.array.cells.conductance_us(0.0)
    std = cell.read_noise_slope * g + cell.read_noise_offset_us
    expected = (std[0, 0] ** 2 + std[1, 0] ** 2) / pair.layer.array.beta_us**2
    variance = layer.read_variance()
    assert variance is not None
    assert torch.allclose(variance, expected.reshape(layer.weight.shape), rtol=1e-4)


def test_measuring_accuracy_changes_no_training() -> None:
    def weights(measurements: int) -> torch.Tensor:
        design, own = network()
        descent, data = crossbar_descent(design, own), digits()
        pictures = Pictures(data)
        for _ in range(2):
            own.train()
            descent.prepare(0.0)
            functional.cross_entropy(
                own(pictures.batch(data.train, torch.arange(32))), data.train.labels[:32]
            ).backward()
            descent.step(1.0, 32)
            for _ in range(measurements):
                with descent.measuring(10.0):
                    outputs_of(own, pictures, data.test)
        return torch.cat([p.detach().reshape(-1).clone() for p in own.parameters()])

    assert torch.equal(weights(0), weights(2))


def test_schedules_have_their_shape() -> None:
    def rates(name: str) -> list[float]:
        return [schedule(name, share) for share in (0.0, 0.49, 0.5, 0.74, 0.75, 1.0)]

    assert rates("constant") == [1.0] * 6
    assert rates("step") == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    assert rates("cosine")[0::2][:2] == [1.0, pytest.approx(0.5)]
    assert rates("cosine")[-1] == pytest.approx(0.0, abs=1e-12)


def images(count: int) -> torch.Tensor:
    return torch.linspace(0.0, 1.0, count * 64).reshape(count, 1, 8, 8)


def test_a_digital_convolution_counts_a_product_for_every_place_of_its_outputs() -> None:
    design, own = network(**{"architecture": "float", "training.momentum": 0.9})
    descent = DigitalDescent(own, design.training, seed=1)
    descent.prepare(0.0)
    own(images(3)).sum().backward()
    descent.step(0.1, 3)
    with descent.measuring(0.0):
        own(images(5))
    for usage, places in zip(descent.usage(), [64, 16, 4, 1], strict=True):
        events, weights = usage.events, usage.rows * usage.cols
        back = 0 if usage.layer == 0 else 3  # no error passes through the first layer
        assert usage.places == places
        assert events["macs_forward"] == events["macs_update"] == 3 * places * weights
        assert events["macs_backward"] == back * places * weights
        assert events["weight_reads"] == (3 + back + 2) * weights  # a weight and its velocity in the update
        assert events["weight_writes"] == 2 * weights
        assert events["activations"] == 3 * places * usage.cols
        assert events["mvm_forward"] == usage.cells == 0


def test_counting_changes_no_digital_product() -> None:
    _, own = network(architecture="float")
    x, gradients = images(3), []
    for counting in (False, True):
        for _, layer in analog_layers(own):
            layer.digital, layer.counting = True, counting
        own.zero_grad()
        own.eval()(x).square().sum().backward()
        gradients.append([p.grad.clone() for p in own.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
