"""Converters of the two directions: bits of their own, and ranges that follow the products."""

from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec
from dse.crossbar.usage import LayerUsage
from dse.data.images import Dataset, Split
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.hardware import hardware_of
from dse.designs.outcome import Outcome
from dse.devices.card import read_cell
from dse.devices.spec import CellSpec
from dse.updates.layers import CrossbarLayer
from dse.updates.training import TrainingSpec
from tests.data import load
from tests.perceptron import train

ROWS, COLS, BATCH = 7, 5, 6
Bits = int | Literal["ideal"]


def array_of(adc: AdcSpec, dac: DacSpec | None = None) -> PairArray:
    cell = CellSpec.parse({**read_cell("pcm_gst"), "read_noise_scale": 0.0})
    array = PairArray(ROWS, COLS, cell, ArraySpec(), dac or DacSpec(bits="ideal"), adc, seed=1, layer=0)
    array.cells.g_us.copy_(8.0 * torch.rand((2, 1, ROWS, COLS), generator=torch.Generator().manual_seed(2)))
    return array


def inputs(seed: int = 5) -> Tensor:
    return torch.rand((BATCH, ROWS), generator=torch.Generator().manual_seed(seed))


def errors(seed: int = 6) -> Tensor:
    return torch.randn((BATCH, COLS), generator=torch.Generator().manual_seed(seed))


def scaled(d: Tensor) -> Tensor:
    return d / d.abs().amax(dim=1, keepdim=True)


def in_levels(x: Tensor, bits: int, full_scale: float) -> Tensor:
    """Return x on the nearest of 2^bits - 1 levels between the ends."""
    step = full_scale / (2 ** (bits - 1) - 1)
    return torch.round(x.clamp(-full_scale, full_scale) / step) * step


@pytest.mark.parametrize("bits", [2, 8, 16, "ideal"])
def test_backward_converters_follow_the_forward_ones_where_nothing_else_is_said(bits: Bits) -> None:
    assert DacSpec(bits=bits).bits_backward == bits
    assert AdcSpec(bits=bits).bits_backward == bits
    assert DacSpec(bits=bits, backward_bits="same").bits_backward == bits
    assert AdcSpec(bits=bits, backward_bits="same").bits_backward == bits


@pytest.mark.parametrize("bits", [2, 8, "ideal"])
@pytest.mark.parametrize("backward", [3, 16, "ideal"])
def test_backward_converters_have_bits_of_their_own(bits: Bits, backward: Bits) -> None:
    assert DacSpec(bits=bits, backward_bits=backward).bits_backward == backward
    assert AdcSpec(bits=bits, backward_bits=backward).bits_backward == backward


@pytest.mark.parametrize("bits", [4, "ideal"])
def test_the_same_bits_given_by_name_or_by_number_convert_alike(bits: Bits) -> None:
    named = array_of(AdcSpec(bits=bits), DacSpec(bits=bits))
    given = array_of(AdcSpec(bits=bits, backward_bits=bits), DacSpec(bits=bits, backward_bits=bits))
    back = [array.backward(array.sense(0.0), errors(), Events()) for array in (named, given)]
    assert torch.equal(*back)


@pytest.mark.parametrize(("forward_bits", "backward_bits"), [(8, 3), (3, 8), ("ideal", 3), (3, "ideal")])
def test_own_backward_bits_act_backward_and_there_alone(forward_bits: Bits, backward_bits: Bits) -> None:
    dac = DacSpec(bits=forward_bits, backward_bits=backward_bits)
    adc = AdcSpec(bits=forward_bits, backward_bits=backward_bits, range=3.0, backward_range=2.0)
    array = array_of(adc, dac)
    sensed, x, d = array.sense(0.0), inputs(), errors()
    driven = x if forward_bits == "ideal" else torch.round(x * (2**forward_bits - 1)) / (2**forward_bits - 1)
    y = driven @ sensed.weight
    if forward_bits != "ideal":
        y = in_levels(y, forward_bits, 3.0)
    torch.testing.assert_close(array.forward(sensed, x), y)
    sent = scaled(d) if backward_bits == "ideal" else in_levels(scaled(d), backward_bits, 1.0)
    back = sent @ sensed.weight[:-1].T
    if backward_bits != "ideal":
        back = in_levels(back, backward_bits, 2.0)
    events = Events()
    torch.testing.assert_close(array.backward(sensed, d, events), back * d.abs().amax(dim=1, keepdim=True))
    assert events.line_drives_backward == int(torch.count_nonzero(sent))
    assert events.drive_time_backward == pytest.approx(float(sent.abs().sum()))
    beyond = int(torch.count_nonzero((sent @ sensed.weight[:-1].T).abs() > 2.0))
    assert events.adc_cut_backward == (0 if backward_bits == "ideal" else beyond)


@pytest.mark.parametrize("headroom", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("bits", [8, "ideal"])
def test_ranges_become_headroom_times_the_largest_product_of_the_last_window(headroom: float, bits: Bits) -> None:
    """Two windows of two mini-batches; the second is smaller, so that a peak that is kept would show."""
    array = array_of(AdcSpec(bits=bits, range=0.5, backward_range=0.25, ranging="calibrated", headroom=headroom))
    sensed = array.sense(0.0)
    for window, size in ((0, 1.0), (10, 0.125)):
        products: list[list[Tensor]] = [[], []]
        held = list(array.ranges)
        for seed in (window, window + 1):
            x, d = size * inputs(seed), errors(seed)
            array.forward(sensed, x, Events())
            array.backward(sensed, d, Events())
            products[0].append(x @ sensed.weight)
            products[1].append(scaled(d) @ sensed.weight[:-1].T)
        assert array.ranges == held
        array.calibrate()
        largest = [float(torch.cat(parts).abs().max()) for parts in products]
        assert array.ranges == pytest.approx([headroom * value for value in largest], rel=1e-6)


def test_a_calibrated_range_acts_on_the_next_products() -> None:
    array = array_of(AdcSpec(bits=4, range=100.0, backward_range=100.0, ranging="calibrated", headroom=0.5))
    sensed, x, d = array.sense(0.0), inputs(), errors()
    assert torch.count_nonzero(array.forward(sensed, x, Events())) == 0  # steps of 14 hide all products
    array.backward(sensed, d, Events())
    array.calibrate()
    y, back = x @ sensed.weight, scaled(d) @ sensed.weight[:-1].T
    events = Events()
    torch.testing.assert_close(
        array.forward(sensed, x, events), in_levels(y, 4, 0.5 * float(y.abs().max())), rtol=1e-5, atol=1e-6
    )
    array.backward(sensed, d, events)
    assert events.adc_cut_forward == int(torch.count_nonzero(y.abs() > 0.5 * y.abs().max())) > 0
    assert events.adc_cut_backward == int(torch.count_nonzero(back.abs() > 0.5 * back.abs().max())) > 0


def test_ranges_are_kept_where_nothing_was_seen() -> None:
    array = array_of(AdcSpec(ranging="calibrated", range=3.0, backward_range=2.0))
    array.calibrate()
    assert array.ranges == [3.0, 2.0]
    sensed = array.sense(0.0)
    array.forward(sensed, inputs(), Events())
    array.calibrate()
    seen = float((inputs() @ sensed.weight).abs().max())
    assert array.ranges == [pytest.approx(seen), 2.0]
    array.calibrate()
    assert array.ranges == [pytest.approx(seen), 2.0]
    array.forward(sensed, torch.zeros(2, ROWS), Events())  # products of zero show no range
    array.calibrate()
    assert array.ranges == [pytest.approx(seen), 2.0]


def test_measuring_accuracy_is_not_seen_by_the_calibration() -> None:
    array = array_of(AdcSpec(ranging="calibrated"))
    array.forward(array.sense(0.0), inputs())
    array.calibrate()
    assert array.ranges == [8.0, 4.0]


class Watched(CrossbarLayer):
    """A layer that notes every product before its converter, and its ranges after each calibration."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.products: list[list[float]] = [[], []]
        self.calibrations: list[tuple[list[float], list[float]]] = []

    def forward(self, x: Tensor, *, training: bool) -> Tensor:
        if training:
            self.products[0].append(float((x @ self.sensed.weight).abs().max()))
        return super().forward(x, training=training)

    def backward(self, d: Tensor) -> Tensor:
        self.products[1].append(float((scaled(d) @ self.sensed.weight[:-1].T).abs().max()))
        return super().backward(d)

    def calibrate(self) -> None:
        super().calibrate()
        self.calibrations.append(([max(seen, default=0.0) for seen in self.products], list(self.array.ranges)))
        self.products = [[], []]


def test_training_calibrates_by_whole_mini_batches_with_the_products_since_the_last_time() -> None:
    """60 images in mini-batches of 8 (the last of 4), every 20 images: after each third mini-batch, across passes."""
    settings = {
        "device.read_noise_scale": 0.0,
        "dac.bits": "ideal",
        "adc.ranging": "calibrated",
        "adc.headroom": 0.9,
        "refresh.every_samples": 0,
    }
    hardware = hardware_of(compose(settings))
    assert hardware is not None
    layers = [Watched(rows, cols, hardware, seed=1, layer=n) for n, (rows, cols) in enumerate([(9, 6), (7, 3)])]
    draws = torch.Generator().manual_seed(1)
    split = Split(torch.rand((60, 8), generator=draws), torch.arange(60) % 3)
    data = Dataset("made up", train=split, validation=None, test=split, classes=3, checksum="")
    spec = TrainingSpec(epochs=3, batch_size=8, learning_rate=1.0)
    train(layers, data, spec, sample_time_s=1e-3, maintain_every=0, calibrate_every=20, seed=1, compiled=False)
    for number, layer in enumerate(layers):
        assert len(layer.calibrations) == 8  # 24 mini-batches
        for largest, ranges in layer.calibrations:
            expected = [0.9 * largest[0], 0.9 * largest[1] if number > 0 else 4.0]  # nothing passes the first layer
            assert ranges == pytest.approx(expected, rel=1e-5)
    assert len({ranges[0] for _, ranges in layers[0].calibrations}) > 2


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", 0.25)


def layers_of(data: Dataset, **adc: Any) -> tuple[LayerUsage, ...]:
    settings = {f"adc.{name}": value for name, value in adc.items()}
    outcome = evaluate(compose({"network.hidden": [12], "training.epochs": 1, **settings}), 1, data)
    assert isinstance(outcome, Outcome)
    return outcome.layers


def test_fixed_ranges_never_move(digits: Dataset) -> None:
    for layer in layers_of(digits, range=0.75, backward_range=0.375):
        assert (layer.adc_range, layer.adc_backward_range) == (0.75, 0.375)


def test_calibration_finds_ranges_that_cut_less(digits: Dataset) -> None:
    narrow = {"range": 0.25, "backward_range": 0.125, "calibrate_every_samples": 50}
    fixed = layers_of(digits, **narrow)
    calibrated = layers_of(digits, **narrow, ranging="calibrated", headroom=1.0)
    wide = layers_of(digits, **narrow, ranging="calibrated", headroom=2.0)
    for way, numbers in (("forward", (0, 1)), ("backward", (1,))):
        for n in numbers:
            cut = [layers[n].events[f"adc_cut_{way}"] for layers in (fixed, calibrated, wide)]
            assert cut[0] > 2 * cut[1] > 2 * cut[2] > 0  # the first window is cut in any case
    for layer in calibrated:
        assert layer.adc_range is not None
        assert layer.adc_range > 0.25
    assert calibrated[0].adc_backward_range == 0.125
    assert calibrated[1].adc_backward_range is not None
    assert calibrated[1].adc_backward_range > 0.125
