"""Linear and convolutional layers on crossbars: ideal is torch, everything else is its plain definition."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from dse.crossbar.analog import (
    AnalogConv2d,
    AnalogLinear,
    Crossbars,
    analog_layers,
    calibrate_on,
    on_crossbars,
    placement_of,
)
from dse.crossbar.analog.passes import Folding, drives, largest_magnitudes, quantise, scale_and_quantise
from dse.crossbar.converters import quantise_signed
from dse.crossbar.spec import AdcSpec, DacSpec
from dse.errors import SettingError

GENERATOR = torch.Generator()
BITS = Crossbars(DacSpec(bits=6), AdcSpec(bits=7, range=1.5, backward_range=0.8))
GEOMETRIES = [(3, 1, 1, 1), (3, 2, 1, 1), (1, 2, 0, 1), (3, 1, 2, 2), (2, 3, 0, 1)]
"""Kernel, stride, padding, dilation."""


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=GENERATOR.manual_seed(seed))


def conv(channels: int, outputs: int, geometry=(3, 1, 1, 1), crossbars=BITS, *, bias=False) -> AnalogConv2d:
    kernel, stride, padding, dilation = geometry
    layer = torch.nn.utils.skip_init(
        nn.Conv2d, channels, outputs, kernel, stride, padding, dilation, bias=bias
    )  # no draws from a global generator
    layer.weight.data = normal(*layer.weight.shape, seed=1) / 10
    if bias:
        layer.bias.data = normal(outputs, seed=2)
    return AnalogConv2d(layer, crossbars)


def linear(features: int, outputs: int, crossbars=BITS) -> AnalogLinear:
    layer = torch.nn.utils.skip_init(nn.Linear, features, outputs, bias=False)
    layer.weight.data = normal(outputs, features, seed=1) / 10
    return AnalogLinear(layer, crossbars)


def network(*, bias: bool = True) -> nn.Sequential:
    layers = nn.Sequential(
        torch.nn.utils.skip_init(nn.Conv2d, 3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        torch.nn.utils.skip_init(nn.Conv2d, 8, 6, 3, stride=2, padding=1, bias=bias),
        nn.Flatten(),
        torch.nn.utils.skip_init(nn.Linear, 96, 5, bias=bias),
    )
    for seed, parameter in enumerate(layers.parameters()):
        parameter.data = normal(*parameter.shape, seed=seed) / 5
    return layers


def gradients(module: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    y = module(x)
    (y * normal(*y.shape, seed=9)).sum().backward()
    return [y.detach(), x.grad, *(parameter.grad for parameter in module.parameters())]


@pytest.mark.parametrize(("counting", "bias"), [(False, True), (True, False), (True, True)])
def test_ideal_converters_without_noise_are_torch_to_the_last_bit(counting: bool, bias: bool) -> None:
    plain, x = network(bias=bias), normal(4, 3, 8, 8)
    analog = on_crossbars(plain, Crossbars(tile_rows=16, tile_columns=4))
    for _, layer in analog_layers(analog):
        layer.counting = counting
    for ours, torchs in zip(gradients(analog, x), gradients(plain, x), strict=True):
        # A bias is added behind a counted product, where torch may fuse the two: equal to rounding.
        assert torch.allclose(ours, torchs, rtol=1e-5, atol=1e-6) if counting and bias else torch.equal(ours, torchs)


def test_conversion_leaves_the_module_alone_and_says_where_layers_are() -> None:
    plain = network()
    analog = on_crossbars(plain, Crossbars(tile_rows=40, tile_columns=4))
    assert not list(analog_layers(plain))
    placed = [(p.name, p.rows, p.cols, p.row_tiles, p.column_tiles) for p in placement_of(analog)]
    assert placed == [("0", 27, 8, 1, 2), ("3", 72, 6, 2, 2), ("5", 96, 5, 3, 2)]
    assert [p.weights for p in placement_of(analog)] == [216, 432, 480]
    assert list(plain.state_dict()) == list(analog.state_dict())


def quantised(x: torch.Tensor, bits: int, scale: torch.Tensor) -> torch.Tensor:
    return quantise_signed(x, bits, scale.reshape(-1, *[1] * (x.dim() - 1)))


def plain_forward(layer: AnalogConv2d, x: torch.Tensor, tile: int) -> torch.Tensor:
    """The definition: unfold, convert inputs, multiply tile by tile, convert, add."""
    spec, scale = layer.crossbars, x.abs().amax(dim=(1, 2, 3))
    stride, padding, dilation = layer.geometry
    driven = quantised(x, spec.dac.bits, scale)
    columns = functional.unfold(driven, layer.kernel_size, dilation, padding, stride)
    matrix, total = layer.weight.detach().flatten(1), 0.0
    for start in range(0, layer.rows, tile):
        part = matrix[:, start : start + tile] @ columns[:, start : start + tile]
        total = total + quantised(part, spec.adc.bits, scale * spec.adc.range)
    shape = layer.exact(x, layer.weight).shape
    return total.reshape(shape)


def plain_backward(layer: AnalogConv2d, d: torch.Tensor, size: tuple[int, int], tile: int) -> torch.Tensor:
    """The definition: convert errors, multiply with the transposed tiles, convert, add tiles and windows."""
    spec, scale = layer.crossbars, d.abs().amax(dim=(1, 2, 3))
    driven, matrix = quantised(d, spec.dac.bits, scale).flatten(2), layer.weight.detach().flatten(1)
    total = 0.0
    for start in range(0, layer.cols, tile):
        part = matrix[start : start + tile].T @ driven[:, start : start + tile]
        total = total + quantised(part, spec.adc.bits, scale * spec.adc.backward_range)
    stride, padding, dilation = layer.geometry
    return functional.fold(total, size, layer.kernel_size, dilation, padding, stride)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_products_in_both_directions_are_their_definition(geometry: tuple[int, int, int, int]) -> None:
    spec = Crossbars(BITS.dac, BITS.adc, tile_rows=7, tile_columns=3)
    layer, x = conv(4, 8, geometry, spec), normal(3, 4, 9, 8).requires_grad_()
    y = layer(x)
    d = normal(*y.shape, seed=3)
    y.backward(d)
    step = 1.5 / 63 * x.detach().abs().amax(dim=(1, 2, 3)).max()
    assert_mostly_equal(y.detach(), plain_forward(layer, x.detach(), 7), step)
    assert_mostly_equal(x.grad, plain_backward(layer, d, (9, 8), 3), 0.8 / 63 * d.abs().max() * 4)
    # Updates are digital, of what came before any converter.
    exact = torch.nn.grad.conv2d_weight(x.detach(), layer.weight.shape, d, *geometry[1:])
    assert torch.allclose(layer.weight.grad, exact, rtol=1e-4, atol=1e-5)


def assert_mostly_equal(ours: torch.Tensor, expected: torch.Tensor, step: float) -> None:
    """Two orders of a sum may fall on both sides of a rounding, rarely, and then differ by a step of a converter."""
    far = (ours - expected).abs() > 1e-5
    assert float(far.float().mean()) < 0.005
    assert float((ours - expected).abs().max()) <= 1.001 * float(step)


def test_a_linear_layer_takes_every_vector_as_a_sample() -> None:
    spec = Crossbars(BITS.dac, BITS.adc, tile_rows=5)
    layer, x = linear(12, 4, spec), normal(2, 3, 12)
    assert layer(x).shape == (2, 3, 4)
    assert torch.equal(layer(x)[1, 2], layer(x[1, 2][None])[0])
    scale = x[1, 2].abs().max()
    driven = quantise_signed(x[1, 2], 6, scale)
    parts = [driven[a : a + 5] @ layer.weight[:, a : a + 5].T for a in (0, 5, 10)]
    expected = sum(quantise_signed(part, 7, 1.5 * scale) for part in parts)
    assert torch.allclose(layer(x)[1, 2], expected, atol=1e-6)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_events_are_those_of_the_definition(geometry: tuple[int, int, int, int]) -> None:
    spec = Crossbars(BITS.dac, AdcSpec(bits=7, range=0.2, backward_range=0.1), tile_rows=7, tile_columns=3)
    layer, x = conv(4, 8, geometry, spec), normal(3, 4, 9, 8).relu_().requires_grad_()
    layer.counting = True
    y = layer(x)
    d = normal(*y.shape, seed=3).relu()
    y.backward(d)
    events, (kernel, stride, padding, dilation) = layer.events, geometry
    unfold = nn.Unfold(kernel, dilation, padding, stride)
    scale, back_scale = x.detach().abs().amax(dim=(1, 2, 3)), d.abs().amax(dim=(1, 2, 3))
    driven = unfold(quantised(x.detach(), 6, scale))
    errors = quantised(d, 6, back_scale)
    vectors = 3 * driven.shape[2]
    assert events.mvm_forward == events.mvm_backward == vectors
    assert events.line_drives_forward == int(torch.count_nonzero(driven))
    assert events.line_drives_backward == int(torch.count_nonzero(errors))
    assert events.drive_time_forward == pytest.approx(float((driven / scale[:, None, None]).abs().sum()), rel=1e-5)
    assert events.drive_time_backward == pytest.approx(
        float((errors / back_scale[:, None, None, None]).sum()), rel=1e-5
    )
    row_tiles, column_tiles = -(-layer.rows // 7), -(-8 // 3)
    assert events.dac_forward == vectors * layer.rows * column_tiles
    assert events.adc_forward == vectors * 8 * row_tiles
    assert events.dac_backward == vectors * 8 * row_tiles
    assert events.adc_backward == vectors * layer.rows * column_tiles
    assert events.partial_adds_forward == vectors * 8 * (row_tiles - 1)
    parts = functional.fold(
        torch.ones_like(driven), (9, 8), kernel, dilation, padding, stride
    )  # windows that reach each input
    adds = (parts * column_tiles - 1).clamp_min(0).sum()
    assert events.partial_adds_backward == int(adds)
    assert events.macs_update == vectors * layer.rows * 8
    matrix = layer.weight.detach().flatten(1)
    cut = sum(
        int((((matrix[:, a : a + 7] @ driven[:, a : a + 7]).abs() / scale[:, None, None]) > 0.2).sum())
        for a in range(0, layer.rows, 7)
    )
    assert abs(events.adc_cut_forward - cut) <= 2
    assert events.adc_cut_forward > 0
    assert events.adc_cut_backward > 0


def test_evaluations_are_not_counted() -> None:
    layer = conv(3, 4)
    layer(normal(2, 3, 5, 5))
    assert layer.events == type(layer.events)()


def test_effective_weights_are_seen_and_clean_ones_learn() -> None:
    layer, x = conv(3, 4, crossbars=Crossbars()), normal(2, 3, 5, 5)
    clean = layer.weight.detach().clone()
    layer.effective_weight = clean + 1.0
    layer.output_scale = torch.tensor([1.0, 2.0, 3.0, 4.0])
    y = layer(x)
    y.sum().backward()
    expected = functional.conv2d(x, clean + 1.0, padding=1)
    assert torch.equal(y.detach(), expected * layer.output_scale[:, None, None])
    assert torch.equal(layer.weight, clean)
    assert float(layer.weight.grad.abs().sum()) > 0.0


@pytest.mark.slow
@pytest.mark.parametrize("per", ["product", "mini_batch"])
@pytest.mark.parametrize("adc", [AdcSpec(bits="ideal"), AdcSpec(bits=16, range=64.0, backward_range=64.0)])
def test_read_noise_has_the_variance_of_its_cells_in_both_directions(per: str, adc: AdcSpec) -> None:
    layer = conv(3, 4, crossbars=Crossbars(adc=adc, tile_rows=10, tile_columns=3, read_noise_per=per))
    deviation = 0.01 * (1.0 + torch.arange(layer.weight.numel()).reshape(layer.weight.shape) / 50)
    x, d, draws = normal(1, 3, 5, 5), normal(1, 4, 5, 5, seed=3), 2000

    def sampled(noisy: bool) -> tuple[torch.Tensor, torch.Tensor]:
        layer.read_noise = (lambda: deviation**2) if noisy else None
        inputs = x.clone().requires_grad_()
        y = layer(inputs)
        y.backward(d)
        return y.detach(), inputs.grad

    clean = sampled(noisy=False)
    pairs = [sampled(noisy=True) for _ in range(draws)]
    forward = functional.conv2d(x**2, deviation**2, padding=1)
    backward = torch.nn.grad.conv2d_input(x.shape, deviation**2, d**2, padding=1)
    for exact, mean, samples in zip((forward, backward), clean, zip(*pairs, strict=True), strict=True):
        values = torch.stack(samples)
        # 5 deviations of a mean and of a variance, times the square root of the number of entries looked at.
        assert float(((values.mean(0) - mean).abs() / (exact / draws).sqrt()).max()) < 6.0
        assert float((values.var(0) / exact - 1.0).abs().max()) < 6.0 * (2.0 / draws) ** 0.5


def test_noise_of_evaluations_shifts_no_noise_of_training() -> None:
    def trained(evaluations: int) -> torch.Tensor:
        layer = conv(3, 4)
        layer.read_noise = torch.full_like(layer.weight, 0.01)
        for _ in range(evaluations):
            layer(normal(2, 3, 5, 5))
        layer.counting = True
        return layer(normal(2, 3, 5, 5)).detach()

    assert torch.equal(trained(0), trained(3))


def test_calibrated_ranges_follow_the_products() -> None:
    spec = Crossbars(DacSpec(bits=8), AdcSpec(bits=8, range=100.0, ranging="calibrated", headroom=0.9))
    layer, x = conv(3, 4, crossbars=spec), normal(2, 3, 5, 5)
    layer.counting = True
    layer(x)
    exact = functional.conv2d(quantised(x, 8, x.abs().amax(dim=(1, 2, 3))), layer.weight, padding=1)
    peak = float((exact.detach().abs().amax(dim=(1, 2, 3)) / x.abs().amax(dim=(1, 2, 3))).max())
    assert layer.peaks[0] == pytest.approx(peak, rel=1e-5)
    layer.calibrate()
    assert layer.ranges == [pytest.approx(0.9 * peak, rel=1e-5), 4.0]
    assert layer.peaks == [0.0, 0.0]


def test_ranges_can_be_calibrated_on_given_inputs() -> None:
    analog = on_crossbars(network(), Crossbars(DacSpec(bits=8), AdcSpec(bits=8))).eval()
    x = normal(4, 3, 8, 8)
    exact = on_crossbars(network(), Crossbars()).eval()(x)
    before = float((analog(x) - exact).detach().abs().max())
    calibrate_on(analog, [x])
    assert float((analog(x) - exact).detach().abs().max()) < 0.5 * before
    assert all(layer.ranges[0] < 8.0 and not layer.watching for _, layer in analog_layers(analog))


@pytest.mark.parametrize("bits", [2, 5, 8, 16])
def test_compiled_converters_equal_the_plain_ones(bits: int) -> None:
    x, scales = normal(5, 7, 11), normal(5, seed=4).abs()
    ours, cut = quantise(x, bits, scales)
    assert torch.equal(ours, quantised(x, bits, scales))
    assert cut == int((x.abs() > scales[:, None, None]).sum())
    assert torch.equal(largest_magnitudes(x), x.abs().amax(dim=(1, 2)))
    both, own = scale_and_quantise(x, bits)
    assert torch.equal(own, largest_magnitudes(x))
    assert torch.equal(both, quantised(x, bits, own))
    assert torch.equal(scale_and_quantise(torch.zeros(2, 3), bits)[0], torch.zeros(2, 3))
    assert bool(scale_and_quantise(torch.tensor([[1.0, float("nan")]]), bits)[0].isnan().any())
    assert float(largest_magnitudes(torch.zeros(1, 3))[0]) == pytest.approx(1e-30)
    assert bool(largest_magnitudes(torch.tensor([[1.0, float("nan")]])).isnan())


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_compiled_folding_equals_the_plain_one(geometry: tuple[int, int, int, int]) -> None:
    layer, x = conv(4, 8, geometry), normal(3, 4, 9, 8)
    targets = layer.targets(x)
    parts, (scales, limits) = normal(3, *targets.shape, 4).flatten(2), normal(2, 3, seed=4).abs()
    found: list[Folding] = []
    sums = torch.zeros(3, 72, 4), torch.zeros(3, 72, 4, dtype=torch.float64)
    for out in sums:
        found.append(Folding(5, scales, limits, targets, out, watches=True))
        for first, some in ((0, parts[:2]), (2, parts[2:])):
            found[-1].take(some.to(out.dtype), first)
    assert found[0].cut == found[1].cut > 0
    assert found[0].peak == float((largest_magnitudes(parts) / scales).max()) == pytest.approx(found[1].peak)
    assert torch.allclose(sums[0].double(), sums[1], atol=1e-5)


def test_what_is_no_number_is_the_largest_part_and_moves_no_range() -> None:
    layer, x = conv(4, 8, GEOMETRIES[0]), normal(2, 4, 9, 8)
    targets = layer.targets(x)
    parts, one = normal(2, *targets.shape, 4).flatten(2), torch.ones(2)
    parts[0, 3, 1] = float("nan")  # and numbers behind it
    for kind in (torch.float32, torch.float64):  # compiled, and plain
        folding = Folding(5, one, one, targets, torch.zeros(2, 72, 4, dtype=kind), watches=True)
        folding.take(parts.to(kind), 0)
        assert folding.peak == 0.0


def test_channels_may_come_last_in_memory() -> None:
    layer, x = conv(4, 8), normal(3, 4, 9, 8)
    both = gradients(layer, x)[:2], gradients(layer, x.to(memory_format=torch.channels_last))[:2]
    for first, last in zip(*both, strict=True):
        assert float((first - last).abs().mean()) < 1e-3 * float(first.abs().mean())
    wide = x.to(memory_format=torch.channels_last)
    assert torch.equal(quantise(wide, 5, largest_magnitudes(wide))[0], quantise(x, 5, largest_magnitudes(x))[0])


def test_compiled_drives_equal_the_plain_ones() -> None:
    x, windows = normal(3, 4, 5, 6).relu(), torch.arange(30.0, dtype=torch.float64).reshape(5, 6)
    scales = largest_magnitudes(x)
    lines, time = drives(x, scales, windows)
    assert lines == int(((x != 0) * windows).sum())
    assert time == pytest.approx(float((x.double() / scales[:, None, None, None] * windows).sum()), rel=1e-6)
    assert drives(x.flatten(1), scales, None) == (
        int(torch.count_nonzero(x)),
        pytest.approx(drives(x, scales, torch.ones(5, 6).double())[1]),
    )
    assert drives(x.to(memory_format=torch.channels_last), scales, windows) == (lines, pytest.approx(time))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (torch.nn.utils.skip_init(nn.Linear, 4, 4) for _ in range(2))
        self.second.weight = self.first.weight


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (lambda: torch.nn.utils.skip_init(nn.Conv2d, 4, 4, 3, groups=2), "groups = 2"),
        (lambda: torch.nn.utils.skip_init(nn.Conv2d, 4, 4, 3, padding="same"), "padding = 'same'"),
        (lambda: torch.nn.utils.skip_init(nn.Conv2d, 4, 4, 3, padding=1, padding_mode="circular"), "circular"),
        (lambda: torch.nn.utils.skip_init(nn.LSTMCell, 4, 4), "LSTMCell is neither"),
        (lambda: torch.nn.utils.skip_init(nn.Linear, 4, 4, dtype=torch.float64), "torch.float64"),
        (Tied, "another layer has the same weights"),
    ],
)
def test_what_cannot_go_on_crossbars_is_named(part, reason: str) -> None:
    module = nn.Sequential(torch.nn.utils.skip_init(nn.Linear, 4, 4), part())
    with pytest.warns(UserWarning, match=reason):
        analog = on_crossbars(module, Crossbars())
    assert [p.name for p in placement_of(analog)] == ["0"]


def test_a_layer_that_is_on_other_crossbars_keeps_them_and_says_so() -> None:
    module = nn.Sequential(*(torch.nn.utils.skip_init(nn.Linear, 4, 4) for _ in range(2)))
    half = on_crossbars(module, BITS, choose=lambda name, _: name == "0")
    with pytest.warns(UserWarning, match="^0 is on crossbars already and keeps its arrays") as given:
        whole = on_crossbars(half, Crossbars())
    assert len(given) == 1
    assert [layer.crossbars for _, layer in analog_layers(whole)] == [BITS, Crossbars()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        on_crossbars(half, BITS)
        on_crossbars(half, Crossbars(), choose=lambda name, _: name != "0")


def test_hooks_and_computed_weights_stay_digital() -> None:
    hooked, computed = (torch.nn.utils.skip_init(nn.Linear, 4, 4) for _ in range(2))
    hooked.register_forward_hook(lambda *_: None)
    computed.weight.data = normal(4, 4)
    torch.nn.utils.parametrizations.weight_norm(computed)
    module = nn.Sequential(torch.nn.utils.skip_init(nn.Linear, 4, 4), hooked, computed)
    with pytest.warns(UserWarning, match="stays digital") as given:
        analog = on_crossbars(module, Crossbars())
    assert "hooks" in str(given[0].message)
    assert len(given) == 2
    assert [p.name for p in placement_of(analog)] == ["0"]


def test_a_module_without_such_layers_is_refused() -> None:
    with pytest.raises(SettingError, match="no layer of the module goes on crossbars"):
        on_crossbars(nn.Sequential(nn.BatchNorm2d(3)), Crossbars())


def test_chosen_layers_alone_go_on_crossbars() -> None:
    analog = on_crossbars(network(), Crossbars(), choose=lambda name, _: name != "0")
    assert [p.name for p in placement_of(analog)] == ["3", "5"]


def test_rounded_operands_form_the_gradient() -> None:
    layer, x = conv(3, 4, crossbars=Crossbars(operand_bits=4)), normal(2, 3, 5, 5)
    y = layer(x)
    d = normal(*y.shape, seed=3)
    y.backward(d)
    rounded = [quantised(f, 4, f.abs().amax(dim=(1, 2, 3))) for f in (x, d)]
    exact = torch.nn.grad.conv2d_weight(rounded[0], layer.weight.shape, rounded[1], padding=1)
    assert np.allclose(layer.weight.grad, exact, atol=1e-4)
