"""Products in kernels are those of the processor: the same draws, counts and sums, to the last bit where sums are.

Without an accelerator Triton's interpreter runs the kernels, which takes seconds of processor time a case.
"""

from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dse.crossbar.analog import Crossbars, analog_layers, calibrate_on, on_crossbars, passes
from dse.crossbar.analog.layers import AnalogConv2d
from dse.crossbar.events import REAL_EVENTS
from dse.crossbar.spec import AdcSpec, DacSpec
from dse.kernel import arithmetic as compiled
from dse.networks.lstm.module import LstmLayer
from dse.streams import Stream
from tests.interpreted import DEVICE, HAS_ACCELERATOR, kernels

SIX, SEVEN = DacSpec(bits=6), AdcSpec(bits=7, range=1.0)
FOLLOWING = AdcSpec(bits=7, range=1.0, ranging="calibrated")
CROSSBARS: dict[str, tuple[Crossbars, bool]] = {
    "converters, operands": (Crossbars(SIX, SEVEN, operand_bits=5), True),
    "tiles": (Crossbars(SIX, SEVEN, tile_rows=4, tile_columns=3), True),
    "ranges that follow": (Crossbars(SIX, FOLLOWING, tile_rows=8, tile_columns=3), True),
    "read noise alone": (Crossbars(), True),
    "nothing but counts": (Crossbars(), False),
    "single bits": (Crossbars(DacSpec(bits=4, coding="bit_serial"), SEVEN), True),
    "read noise once a mini-batch": (Crossbars(SIX, SEVEN, read_noise_per="mini_batch"), True),
}
"""Crossbars, and whether reads are noisy."""


class Passed(NamedTuple):
    """What came of some passes of a network in both directions."""

    values: list[Tensor]
    events: list[dict[str, Any]]
    rest: list[Any]


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def dense() -> nn.Module:
    return nn.Sequential(nn.Linear(9, 7), nn.Tanh(), nn.Linear(7, 3))


def convolutions() -> nn.Module:
    first, second = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 4, 3, stride=2)
    return nn.Sequential(first, nn.ReLU(), second, nn.Flatten(), nn.Linear(16, 3))


class Sequence(nn.Module):
    """A recurrent layer from rest."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = LstmLayer(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        rest = torch.zeros(2, x.shape[1], 3, device=x.device)
        return self.layer(x, (rest[0], rest[1]))[0]


NETWORKS: dict[str, tuple[Any, Tensor]] = {
    "dense": (dense, normal(4, 9)),
    "convolutions": (convolutions, normal(2, 2, 6, 6)),
    "channels last": (convolutions, normal(2, 2, 6, 6).contiguous(memory_format=torch.channels_last)),
}


def passed(build: Any, x: Tensor, crossbars: Crossbars, noisy: bool, device: str = "cpu") -> Passed:
    """Return what comes of two passes in both directions, ranges being set after each."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = on_crossbars(build(), crossbars, seed=4).to(device)
    layers = [layer for _, layer in analog_layers(network)]
    for layer in layers:
        layer.counting = True
        layer.read_noise = 1e-3 * (1.0 + layer.weight.detach().abs()) if noisy else None
    x = x.to(device).detach().requires_grad_()
    shown: list[Tensor] = []
    for _ in range(2):
        y = network(x)
        y.square().sum().backward()
        shown.append(y.detach().cpu())
        for layer in layers if crossbars.adc.ranging == "calibrated" else ():
            layer.calibrate()
    gradients = [own.grad.cpu() for own in (x, *network.parameters()) if own.grad is not None]
    rest = [(own.ranges, own.peaks, own.places, [noise.events for noise in own.noise.values()]) for own in layers]
    return Passed([*shown, *gradients], [dict(vars(own.events)) for own in layers], rest)


def near(a: Tensor, b: Tensor) -> bool:
    """Return whether the norm of a difference is within 2 % of the norm."""
    return float((a - b).square().sum()) <= 0.02**2 * float(a.square().sum())


def check_alike(own: Passed, other: Passed) -> None:
    assert len(own.values) == len(other.values)
    for a, b in zip(own.values, other.values, strict=True):
        if HAS_ACCELERATOR:  # sums of products have another order, and a value may come to lie on the level beside
            assert near(a, b)
        else:
            assert torch.equal(a, b)
    if HAS_ACCELERATOR:
        return
    for counts, others in zip(own.events, other.events, strict=True):
        for name, number in counts.items():
            assert others[name] == (pytest.approx(number, rel=1e-12) if name in REAL_EVENTS else number), name
    assert own.rest == other.rest


@pytest.mark.slow
def test_products_of_a_layer_in_kernels_are_those_of_the_processor() -> None:
    given = (lambda: nn.Sequential(nn.Linear(9, 3)), normal(2, 9), *CROSSBARS["tiles"])
    with kernels():
        found = passed(*given, device=DEVICE)
    check_alike(passed(*given), found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "crossbars"),
    [
        *(("dense", name) for name in CROSSBARS),
        *(("convolutions", name) for name in ("tiles", "ranges that follow", "single bits")),
        ("channels last", "tiles"),
    ],
)
def test_products_in_kernels_are_those_of_the_processor(network: str, crossbars: str) -> None:
    given = *NETWORKS[network], *CROSSBARS[crossbars]
    with kernels():
        found = passed(*given, device=DEVICE)
    check_alike(passed(*given), found)
    assert sum(own["line_drives_forward"] for own in found.events) > 0


@pytest.mark.slow
def test_recurrent_products_in_kernels_are_those_of_the_loop_over_steps() -> None:
    given = (Sequence, normal(3, 2, 4), Crossbars(SIX, SEVEN), True)
    with kernels():
        found = passed(*given, device=DEVICE)
    for a, b in zip(passed(*given).values, found.values, strict=True):
        # The processor takes the whole sequence at once and sums what passes in another order.
        assert near(a, b)


@pytest.mark.slow
def test_ranges_grow_to_what_passes_in_kernels_too() -> None:
    ranges: list[list[float]] = []
    for device, where in (("cpu", nullcontext()), (DEVICE, kernels())):
        with where:
            with torch.random.fork_rng():
                network = on_crossbars(nn.Linear(9, 3), Crossbars(SIX, SEVEN), seed=4).to(device)
            ((_, layer),) = analog_layers(network)
            with torch.no_grad():
                layer.weight.copy_(normal(3, 9, seed=3))
            calibrate_on(network, [normal(4, 9).to(device)])
            ranges.append(layer.ranges)
    assert ranges[1] == pytest.approx(ranges[0], rel=1e-6)
    assert ranges[0][0] != 1.0


def test_normal_numbers_of_a_kernel_are_those_of_the_processor_draw_by_draw() -> None:
    """So what is known of their distribution (`tests/statistical`) holds for kernels."""
    count, key = 4096, 2**62 + 12345
    with kernels():
        from dse.kernel.accelerator import conversion  # noqa: PLC0415

        y = torch.zeros(2, count // 2, device=DEVICE)
        starts = torch.tensor([7, 7 + count // 2], device=DEVICE)
        noise = conversion.Noise(torch.ones_like(y), torch.tensor([key], device=DEVICE), starts)
        conversion.read(y, noise, None, y)
    expected = compiled.normal_range(key, 7, count)
    np.testing.assert_allclose(y.cpu().reshape(-1), expected, rtol=0.0, atol=1e-6 if HAS_ACCELERATOR else 0.0)


@pytest.mark.slow
def test_designs_of_a_launch_have_their_own_levels_ranges_and_draws_to_the_last_bit() -> None:
    """Each sample of each design is what it is alone."""
    samples, length, bits, ranges, keys = 2, 37, (4, 8, 6), (0.5, 0.25, 1.0), (11, 2**61, 13)
    x, spread = normal(3 * samples, length), normal(3 * samples, length, seed=2).square()
    levels = torch.tensor([float(2 ** (own - 1) - 1) for own in bits], device=DEVICE)
    with kernels():
        from dse.kernel.accelerator import conversion  # noqa: PLC0415

        def made(some: slice, of: slice) -> tuple[Tensor, Tensor, Tensor]:
            windows = torch.ones(1, dtype=torch.int64, device=DEVICE)
            driven = conversion.drive(x[some].to(DEVICE), levels[of], windows)
            starts = torch.arange(samples, device=DEVICE).repeat(len(bits))[some] * length
            noise = conversion.Noise(spread[some].to(DEVICE), torch.tensor(keys, device=DEVICE)[of], starts)
            behind = conversion.Converters(driven.scales, torch.tensor(ranges, device=DEVICE)[of], levels[of])
            out = torch.empty_like(driven.values)
            counted = conversion.read(driven.values, noise, behind, out)
            assert counted.cut is not None
            return out, driven.lines, counted.cut

        together = made(slice(None), slice(None))
        for design, width in enumerate(bits):
            some, of = slice(design * samples, (design + 1) * samples), slice(design, design + 1)
            for own, all_of_them in zip(made(some, of), together, strict=True):
                assert torch.equal(own, all_of_them[some])
            driven, scales = passes.scale_and_quantise(x[some].to(DEVICE), width)
            noise = Stream(keys[design])
            noisy = driven.cpu() + spread[some].sqrt() * noise.next_normal(1, samples * length).view(samples, length)
            limits = scales.cpu() * ranges[design]
            torch.testing.assert_close(
                together[0][some].cpu() / limits[:, None],
                torch.round((noisy / limits[:, None]).clamp(-1, 1) * float(levels[design])) / float(levels[design]),
                rtol=0.0,
                atol=1e-5 if not HAS_ACCELERATOR else 1.1 / float(levels[design]),
            )
            assert together[1][some].tolist() == [int(torch.count_nonzero(own)) for own in driven]


@pytest.mark.slow
def test_parts_of_windows_go_to_the_places_of_the_plain_path() -> None:
    with torch.random.fork_rng():
        layer = AnalogConv2d(nn.Conv2d(3, 4, 3, stride=2, padding=1, dilation=2), Crossbars())
    targets, samples, places = layer.targets(normal(1, 3, 7, 7)), 2, 49
    parts = normal(samples, targets.shape[0], targets.shape[1] * 3)
    expected = torch.zeros(samples, places, 3)
    passes.fold(parts.view(*parts.shape[:2], targets.shape[1], 3), targets, expected)
    with kernels():
        from dse.kernel.accelerator import conversion  # noqa: PLC0415

        sums = torch.zeros(samples, places, 3, device=DEVICE)
        conversion.fold(parts.to(DEVICE), conversion.sources_of(targets, places).to(DEVICE), sums)
    torch.testing.assert_close(sums.cpu(), expected)


@pytest.mark.slow
def test_images_of_another_shape_and_as_many_pixels_have_their_errors_where_they_belong() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1))
    found: dict[str, list[Tensor]] = {}
    for device, taken in (("cpu", nullcontext), (DEVICE, kernels)):
        analog = on_crossbars(network, Crossbars(SIX, SEVEN)).to(device)
        with taken():
            for shape in ((4, 8), (8, 4)):
                x = normal(2, 2, *shape).to(device).requires_grad_()
                analog(x).square().sum().backward()
                assert x.grad is not None
                found.setdefault("plain" if taken is nullcontext else "kernels", []).append(x.grad.cpu())
    for own, other in zip(found["plain"], found["kernels"], strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)
