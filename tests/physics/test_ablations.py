"""Every imperfection can be switched off alone, and doing so leaves the randomness of the others as it was."""

from typing import Any

import pytest
import torch
from torch import Tensor

from dse.crossbar.events import Events
from dse.data.images import Dataset, Split
from dse.designs.design import compose
from dse.designs.hardware import hardware_of
from dse.streams import Stream
from dse.updates.layers import CrossbarLayer
from dse.updates.training import TrainingSpec
from tests.perceptron import train

SIZES = [(9, 6), (7, 3)]
SEED = 4
EPOCHS = 3
SILENT: dict[str, dict[str, Any]] = {
    "_write_noise": {"device.write_noise_scale": 0.0},
    "_forward_noise": {"device.read_noise_scale": 0.0},
    "_refresh_reads": {"device.read_noise_scale": 0.0},
    "_reset_noise": {"device.reset_std_us": 0.0},
}
"""Random stream of an array -> the settings that silence it."""
LIVELY = {"refresh.every_samples": 20, "refresh.threshold_us": 2.0, "accumulator.epsilon": 0.2}
"""Settings that make pulses and refreshes frequent in a short training."""


class WatchedLayer(CrossbarLayer):
    """A layer that remembers the inputs it learned from."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen: list[Tensor] = []

    def update(self, x: Tensor, d: Tensor, learning_rate: float, now_s: float) -> None:
        self.seen.append(x.clone())
        super().update(x, d, learning_rate, now_s)


def small_data() -> Dataset:
    """Return 60 images of 8 pixels whose class is where they are brightest."""
    draws = torch.Generator().manual_seed(1)
    labels = torch.arange(60) % 3
    images = 0.3 * torch.rand((60, 8), generator=draws)
    images[torch.arange(60), labels * 2] += 0.7
    split = Split(images, labels)
    return Dataset("made up", train=split, validation=None, test=split, classes=3, checksum="")


def built(**settings: Any) -> list[WatchedLayer]:
    hardware = hardware_of(compose({**LIVELY, **{k.replace("__", "."): v for k, v in settings.items()}}))
    assert hardware is not None
    return [WatchedLayer(r, c, hardware, seed=SEED, layer=i) for i, (r, c) in enumerate(SIZES)]


def trained(layers: list[WatchedLayer], sample_time_s: float = 1.0) -> list[WatchedLayer]:
    spec = TrainingSpec(epochs=EPOCHS, batch_size=5, learning_rate=3.0)
    every = layers[0].hardware.refresh.every_samples
    train(
        layers,
        small_data(),
        spec,
        sample_time_s=sample_time_s,
        maintain_every=every,
        drift_every=10,
        seed=SEED,
        compiled=False,
    )
    return layers


def conductances(layers: list[WatchedLayer]) -> list[Tensor]:
    return [layer.array.cells.g_us for layer in layers]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def with_other_stream(layers: list[WatchedLayer], name: str) -> list[WatchedLayer]:
    for layer in layers:
        setattr(layer.array, name, Stream(99))
    return layers


def dotted(settings: dict[str, Any]) -> dict[str, Any]:
    return {path.replace(".", "__"): value for path, value in settings.items()}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("stream", SILENT)
def test_a_stream_of_noise_matters_while_its_source_is_on(stream: str) -> None:
    assert not same(conductances(trained(built())), conductances(trained(with_other_stream(built(), stream))))


@pytest.mark.one_in(2)
@pytest.mark.parametrize("stream", SILENT)
def test_a_source_of_noise_that_is_off_draws_on_nothing(stream: str) -> None:
    off = dotted(SILENT[stream])
    plain, other = trained(built(**off)), trained(with_other_stream(built(**off), stream))
    assert same(conductances(plain), conductances(other))
    assert sum(layer.events.refreshed_pairs for layer in plain) > 0
    assert sum(layer.events.set_pulses_update for layer in plain) > 0


@pytest.mark.slow
def test_stochastic_rounding_is_the_only_user_of_its_stream() -> None:
    def run(rounding: str, seed: int) -> list[Tensor]:
        layers = built(accumulator__rounding=rounding, accumulator__bits=4)
        for layer in layers:
            layer.accumulator.noise = Stream(seed)
        return conductances(trained(layers))

    assert same(run("nearest", 1), run("nearest", 2))
    assert not same(run("stochastic", 1), run("stochastic", 2))


def test_with_every_source_off_no_stream_matters() -> None:
    settings = dotted({**SILENT["_write_noise"], **SILENT["_refresh_reads"], **SILENT["_reset_noise"]})
    other = built(**settings)
    for stream in SILENT:
        with_other_stream(other, stream)
    assert same(conductances(trained(built(**settings))), conductances(trained(other)))


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    "off",
    [
        {"device.write_noise_scale": 0.0},
        {"device.read_noise_scale": 0.0},
        {"device.drift_exponent": 0.0},
        {"dac.bits": "ideal"},
        {"adc.bits": "ideal"},
        {"accumulator.rounding": "stochastic"},
        {"refresh.every_samples": 0},
    ],
    ids=lambda off: next(iter(off)),
)
def test_a_switch_leaves_initial_conductances_and_the_order_of_images_alone(off: dict[str, Any]) -> None:
    plain, switched = built(), built(**dotted(off))
    assert same(conductances(plain), conductances(switched))
    trained(plain)
    trained(switched)
    assert len(plain[0].seen) == EPOCHS * 12
    assert same(plain[0].seen, switched[0].seen)


@pytest.mark.parametrize("off", [{"device.write_noise_scale": 0.0}, {"refresh.every_samples": 0}])
def test_a_switch_leaves_the_stream_of_read_noise_alone(off: dict[str, Any]) -> None:
    plain, switched = trained(built()), trained(built(**dotted(off)))
    for a, b in zip(plain, switched, strict=True):
        assert a.array._forward_noise == b.array._forward_noise


@pytest.mark.parametrize(
    "off", [{"device.read_noise_scale": 0.0}, {"device.drift_exponent": 0.0}, {"adc.bits": "ideal"}]
)
def test_a_switch_leaves_the_noise_of_a_given_pulse_alone(off: dict[str, Any]) -> None:
    pulses = torch.zeros(SIZES[0], dtype=torch.int64)
    pulses[2:5, 1:4] = torch.tensor([[1, -2, 0], [3, 1, -1], [0, -4, 2]])
    results: list[Tensor] = []
    for layers in (built(), built(**dotted(off))):
        layers[0].array.program(pulses, 0.0, Events())
        results.append(layers[0].array.cells.g_us)
    assert torch.equal(results[0], results[1])


def test_without_write_noise_equal_pulses_have_equal_results() -> None:
    array = built(device__write_noise_scale=0.0)[0].array
    array.cells.g_us.fill_(2.0)
    array.cells.history.fill_(0.5)
    array.program(torch.full(SIZES[0], 3), 0.0, Events())
    assert len(array.cells.g_us[0].unique()) == 1
    assert float(array.cells.g_us[0, 0, 0, 0]) > 2.0


def test_without_read_noise_equal_products_have_equal_results() -> None:
    layer = built(device__read_noise_scale=0.0)[0]
    assert layer.sensed.noise_variance is None
    x = torch.rand((4, 9), generator=torch.Generator().manual_seed(2))
    assert torch.equal(layer.forward(x, training=False), layer.forward(x, training=False))


@pytest.mark.slow
def test_without_drift_time_does_not_matter() -> None:
    still = [trained(built(device__drift_exponent=0.0), sample_time_s=time_s) for time_s in (1e-3, 100.0)]
    assert same(conductances(still[0]), conductances(still[1]))
    drifting = [trained(built(), sample_time_s=time_s) for time_s in (1e-3, 100.0)]
    assert not same(conductances(drifting[0]), conductances(drifting[1]))


def test_without_drift_the_array_is_what_it_was() -> None:
    layer = built(device__drift_exponent=0.0)[0]
    before = layer.sensed.weight
    layer.sense(1e9)
    assert torch.equal(layer.sensed.weight, before)


def test_with_ideal_converters_nothing_is_rounded_or_cut() -> None:
    layer = built(device__read_noise_scale=0.0, dac__bits="ideal", adc__bits="ideal")[0]
    x = torch.rand((4, 9), generator=torch.Generator().manual_seed(2))
    layer.array.cells.g_us[0] = 5000.0
    layer.sense(0.0)
    expected = torch.zeros(4, 6)
    for row in range(9):
        expected += x[:, row, None] * layer.sensed.weight[row]
    assert torch.equal(layer.forward(x, training=True), expected)
    assert layer.events.adc_cut_forward == 0


@pytest.mark.slow
def test_without_refresh_nothing_is_reset_or_read_for_it() -> None:
    layers = trained(built(refresh__every_samples=0))
    for layer in layers:
        assert (layer.events.resets, layer.events.refresh_reads, layer.events.refreshed_pairs) == (0, 0, 0)
        assert layer.events.set_pulses_refresh == 0
        assert int(layer.array.cells.reset_pulses.sum()) == 0
    assert sum(layer.events.resets for layer in trained(built())) > 0
