"""The compiled path and the plain path agree to the last bit, with every source of noise on, knob by knob."""

from typing import Any

import pytest
import torch

from dse.data.images import Dataset, Split
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.hardware import hardware_of
from dse.designs.outcome import Failure
from dse.errors import DivergedError
from dse.networks.perceptron.plain import PlainRun
from dse.tasks.curve import Epoch
from dse.updates import fast
from dse.updates.layers import CrossbarLayer, FloatLayer, Layer
from dse.updates.pace import Pace
from dse.updates.training import TrainingSpec
from tests.data import load
from tests.perceptron import train

SIZES = [(65, 20), (21, 12), (13, 10)]
CELLS = ("g_us", "history", "pulsed_at_s", "set_pulses", "reset_pulses")
QUIET = {"device.read_noise_scale": 0.0, "device.write_noise_scale": 0.0, "adc.bits": "ideal", "dac.bits": "ideal"}
OFTEN = {"refresh.every_samples": 50, "refresh.threshold_us": 3.0}
CASES: dict[str, dict[str, Any]] = {
    "quiet, float chi, no refresh": {**QUIET, "accumulator.bits": "float", "refresh.every_samples": 0},
    "quiet, no drift": {**QUIET, "device.drift_exponent": 0.0},
    "quiet, refresh": {**QUIET, **OFTEN},
    "write noise alone": {**QUIET, **OFTEN, "device.write_noise_scale": 1.0},
    "read noise alone": {**QUIET, **OFTEN, "device.read_noise_scale": 1.0},
    "everything on": OFTEN,
    "coarse converters": {**OFTEN, "adc.bits": 4, "dac.bits": 3, "adc.range": 2.0, "adc.backward_range": 0.5},
    "narrow window": {**OFTEN, "device.g_max_us": 4.0},
    "cells that differ": {**OFTEN, "device.response_spread": 0.3, "device.drift_exponent_spread": 0.02},
    "stuck cells": {**OFTEN, "device.stuck_set_fraction": 0.05, "device.stuck_reset_fraction": 0.1},
    "half as non-linear": {**OFTEN, "device.nonlinearity": 0.5},
    "linear cells that differ and stick": {
        "device.card": "ideal_linear",
        "device.g_max_us": 20.0,
        "device.response_spread": 0.3,
        "device.stuck_reset_fraction": 0.1,
        "refresh.every_samples": 0,
    },
    "linear cell": {"device.card": "ideal_linear", "refresh.every_samples": 0},
    "linear cell, fine pulses": {
        "device.card": "ideal_linear",
        "refresh.every_samples": 0,
        "device.granularity_us": 1e-4,
        "device.mean_offset_us": 1e-4,
    },
    "weights of an odd scale": {**OFTEN, "adc.bits": "ideal", "array.conductance_per_weight_us": 7.3},
    "update operands of 6 bits": {**OFTEN, "accumulator.operand_bits": 6},
    "three pairs a weight": {**OFTEN, "array.pairs_per_weight": 3, "accumulator.epsilon": 0.3},
    "calibrated ranges": {**OFTEN, "adc.ranging": "calibrated", "adc.calibrate_every_samples": 30, "adc.headroom": 0.7},
    "converters of their own backward": {
        **OFTEN,
        "adc.bits": 5,
        "adc.backward_bits": 4,
        "dac.bits": 4,
        "dac.backward_bits": 3,
        "adc.ranging": "calibrated",
    },
    "ideal forward, 5 bits backward": {**OFTEN, "adc.bits": "ideal", "adc.backward_bits": 5, "dac.backward_bits": 4},
    "float words in PCM": {**OFTEN, "accumulator.bits": "float", "accumulator.storage": "pcm"},
    "float words that saturate": {
        **OFTEN,
        "accumulator.bits": "float",
        "accumulator.transfer_every": 4,
        "accumulator.headroom_bits": 0,
        "accumulator.storage": "pcm",
    },
    **{
        f"verified refresh, misses {misses}, {bits} bits": {
            **OFTEN,
            "accumulator.bits": bits,
            "accumulator.storage": "pcm",
            "accumulator.refresh_misses": misses,
            "refresh.verify_rounds": rounds,
            "refresh.tolerance_us": 0.5,
            "array.pairs_per_weight": 2,
        }
        for bits, misses, rounds in ((9, "kept", 2), ("float", "kept", 0), (32, "lost", 3))
    },
    **{
        f"at most a pulse a cell, {bits} bits, a transfer every {every}": {
            **OFTEN,
            "accumulator.bits": bits,
            "accumulator.rounding": "stochastic",
            "accumulator.epsilon": 0.1,
            "accumulator.max_pulses": 1,
            "accumulator.headroom_bits": 3,
            "accumulator.transfer_every": every,
            "accumulator.storage": "pcm",
            "array.pairs_per_weight": 2,
        }
        for bits, every in ((9, 1), ("float", 1), (32, 2))
    },
    **{
        f"words of {bits} bits in PCM, {rounding}": {
            **OFTEN,
            "accumulator.bits": bits,
            "accumulator.rounding": rounding,
            "accumulator.storage": "pcm",
        }
        for bits, rounding in ((7, "stochastic"), (32, "nearest"))
    },
    **{
        f"transfer every third update, {bits} bits, {room} of room": {
            **OFTEN,
            "accumulator.bits": bits,
            "accumulator.transfer_every": 3,
            "accumulator.headroom_bits": room,
            "accumulator.storage": "pcm",
            "array.pairs_per_weight": 2,
        }
        for bits, room in ((8, 1), (32, 2))
    },
    **{
        f"chi of {bits} bits, {rounding}": {**OFTEN, "accumulator.bits": bits, "accumulator.rounding": rounding}
        for bits in (1, 8, 24, 31, 32)
        for rounding in ("nearest", "stochastic", "toward_zero")
    },
}


@pytest.fixture(scope="module")
def few() -> Dataset:
    data = load("digits", 0.25)
    some = Split(data.train.images[:103], data.train.labels[:103], data.train.full_scale)
    test = Split(data.test.images[:50], data.test.labels[:50], data.test.full_scale)
    return Dataset("few", some, None, test, 10, "")


def trained(
    settings: dict[str, Any], data: Dataset, batch_size: int, *, compiled: bool, epochs: int = 2
) -> tuple[list[Layer], list[Epoch]]:
    design = compose(settings)
    hardware = hardware_of(design)
    layers: list[Layer] = [
        FloatLayer(r, c, seed=1, layer=n) if hardware is None else CrossbarLayer(r, c, hardware, seed=1, layer=n)
        for n, (r, c) in enumerate(SIZES)
    ]
    every = 0 if design.refresh is None else design.refresh.every_samples
    spec = TrainingSpec(epochs=epochs, batch_size=batch_size, learning_rate=0.5 if batch_size == 1 else 2.0)
    # Half a second an image and drift every seventh: drift acts from the second half of the first epoch on.
    calibrated = design.adc is not None and design.adc.ranging == "calibrated"
    curve = train(
        layers,
        data,
        spec,
        sample_time_s=0.5,
        maintain_every=every,
        calibrate_every=design.adc.calibrate_every_samples if calibrated and design.adc else 0,
        seed=1,
        drift_every=7,
        compiled=compiled,
    )
    return layers, curve


@pytest.mark.one_in(18)
@pytest.mark.parametrize("batch_size", [1, 10])
@pytest.mark.parametrize("case", CASES)
def test_both_paths_leave_the_same_state_events_and_curve(case: str, batch_size: int, few: Dataset) -> None:
    plain, plain_curve = trained(CASES[case], few, batch_size, compiled=False)
    fast, fast_curve = trained(CASES[case], few, batch_size, compiled=True)
    assert fast_curve == plain_curve
    for a, b in zip(plain, fast, strict=True):
        assert isinstance(a, CrossbarLayer)
        assert isinstance(b, CrossbarLayer)
        assert a.events == b.events
        assert [
            name for name in CELLS if not torch.equal(getattr(a.array.cells, name), getattr(b.array.cells, name))
        ] == []
        assert torch.equal(a.accumulator.word, b.accumulator.word)
        assert a.array.streams == b.array.streams
        assert a.array.evaluation_noise == b.array.evaluation_noise
        assert a.array.selected == b.array.selected
        assert a.array.ranges == b.array.ranges
        assert (a.accumulator.flips is None) == (b.accumulator.flips is None)
        if a.accumulator.flips is not None and b.accumulator.flips is not None:
            assert torch.equal(a.accumulator.flips, b.accumulator.flips)
            assert int(a.accumulator.flips.sum()) == a.events.chi_flips > 0
    if "of 1 bits" not in case:  # which keeps nothing and cuts every small update
        assert sum(layer.events.set_pulses_update for layer in fast) > 0


@pytest.mark.parametrize("batch_size", [1, 10, 1000])
def test_both_paths_train_the_same_digital_floats(batch_size: int, few: Dataset) -> None:
    plain, plain_curve = trained({"architecture": "float"}, few, batch_size, compiled=False)
    fast, fast_curve = trained({"architecture": "float"}, few, batch_size, compiled=True)
    assert fast_curve == plain_curve
    for a, b in zip(plain, fast, strict=True):
        assert isinstance(a, FloatLayer)
        assert isinstance(b, FloatLayer)
        assert a.events == b.events
        assert torch.equal(a.weight, b.weight)


def test_the_noisy_case_really_refreshes_drifts_and_cuts(few: Dataset) -> None:
    layers, _ = trained(CASES["coarse converters"], few, 1, compiled=True)
    assert sum(layer.events.refreshed_pairs for layer in layers) > 0
    assert sum(layer.events.adc_cut_forward for layer in layers) > 0
    quiet, _ = trained({**CASES["everything on"], "device.drift_exponent": 0.0}, few, 1, compiled=True)
    drifting, _ = trained(CASES["everything on"], few, 1, compiled=True)
    assert quiet[0].events != drifting[0].events


@pytest.mark.parametrize("settings", [{"accumulator.epsilon": 1e-30}, {"accumulator.epsilon": 1e-6}])
def test_both_paths_refuse_the_same_explosions(settings: dict[str, Any], few: Dataset) -> None:
    reasons: list[str] = []
    for compiled in (False, True):
        with pytest.raises(DivergedError) as caught:
            trained(settings, few, 1, compiled=compiled)
        reasons.append(str(caught.value))
    assert reasons[0] == reasons[1]
    outcome = evaluate(compose({**settings, "training.batch_size": 1, "training.epochs": 1}), 1, few)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "diverged"


def test_a_bound_that_is_too_large_alone_stops_nothing(few: Dataset) -> None:
    # The sum of ten bounds on an update exceeds the limit of the accumulator; no update does.
    settings = {"accumulator.bits": "float", "accumulator.epsilon": 2.85e-9, "accumulator.transfer_every": 2}
    both = [trained(settings, few, 10, compiled=compiled, epochs=1)[1] for compiled in (False, True)]
    assert both[0] == both[1]


@pytest.mark.parametrize("settings", [{}, {"architecture": "float"}], ids=["crossbars", "floats"])
def test_the_size_of_a_chunk_changes_nothing(
    settings: dict[str, Any], few: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_layers, whole = trained(settings, few, 7, compiled=True)
    monkeypatch.setattr(fast, "CHUNK_IMAGES", 20)
    layers, curve = trained(settings, few, 7, compiled=True)
    assert curve == whole
    assert [layer.events for layer in layers] == [layer.events for layer in whole_layers]


def test_cells_are_sensed_once_a_time_until_they_learn_again(few: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    hardware, sensed = hardware_of(compose(OFTEN)), list[float]()
    assert hardware is not None
    pace, order = Pace(learning_rate=0.5, sample_time_s=0.5, drift_every=7, maintain_every=50), torch.arange(103)
    layers = [[CrossbarLayer(r, c, hardware, seed=1, layer=n) for n, (r, c) in enumerate(SIZES)] for _ in range(2)]
    lessons = fast.Lessons.of(few)
    compiled, plain = fast.CrossbarRun(layers[1], lessons, 1, pace), PlainRun(layers[0], lessons, 1, pace)
    sense = CrossbarLayer.sense

    def noted(layer: CrossbarLayer, now_s: float) -> None:
        sensed.extend([now_s] if layer in layers[1] else [])
        sense(layer, now_s)

    monkeypatch.setattr(CrossbarLayer, "sense", noted)
    for seen in (0, 103):
        assert plain.learn(order, seen) == compiled.learn(order, seen)
        for split, now_s in ((few.train, 500.0), (few.test, 500.0), (few.test, 1000.0), (few.train, 500.0)):
            assert plain.outputs(split, now_s).tolist() == compiled.outputs(split, now_s).tolist()
    assert sensed == 2 * (3 * [500.0] + 3 * [1000.0] + 3 * [500.0])


@pytest.mark.parametrize(
    "other",
    [{"accumulator.epsilon": 2.0}, {"accumulator.storage": "pcm"}, {"device.read_noise_scale": 0.0}],
    ids=lambda other: next(iter(other)),
)
def test_layers_of_different_hardware_take_the_plain_path(other: dict[str, Any], few: Dataset) -> None:
    def learn(*, compiled: bool) -> list[Epoch]:
        kinds = [hardware_of(compose(settings)) for settings in ({}, other, {})]
        layers = [
            CrossbarLayer(r, c, kind, seed=1, layer=n)
            for n, ((r, c), kind) in enumerate(zip(SIZES, kinds, strict=True))
            if kind
        ]
        assert len(layers) == 3
        spec = TrainingSpec(epochs=1, batch_size=10)
        return train(layers, few, spec, sample_time_s=0.5, maintain_every=0, seed=1, compiled=compiled)

    assert learn(compiled=True) == learn(compiled=False)
