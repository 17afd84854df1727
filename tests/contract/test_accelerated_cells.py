"""PCM cells in kernels are those of the plain path: the same pulses, refreshes, wear and counts, to the last bit.

Without an accelerator Triton's interpreter runs the kernels, which takes seconds of processor time a case.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dse.designs.design import compose
from dse.designs.hardware import hardware_of
from dse.errors import DivergedError
from dse.updates import fast
from dse.updates.accelerated import AcceleratedEngine
from dse.updates.engines import Engine, PlainEngine, engine_of
from dse.updates.layers import CrossbarLayer
from dse.updates.pace import Pace
from tests.interpreted import DEVICE, kernels

ROWS, COLS, STEPS, SAMPLES = 5, 11, 6, 10
OFTEN = {"refresh.every_samples": 20, "refresh.threshold_us": 2.0}
WORN = {"accumulator.storage": "pcm"}
CHECKED = {**OFTEN, "refresh.verify_rounds": 3, "refresh.tolerance_us": 0.3}
CASES: dict[str, dict[str, Any]] = {
    "several pairs whose bits wear": {**OFTEN, **WORN, "array.pairs_per_weight": 3},
    "floats": {**OFTEN, "accumulator.bits": "float"},
    "rounded at random": {**OFTEN, "accumulator.bits": 8, "accumulator.rounding": "stochastic"},
    "rounded toward zero": {**OFTEN, **WORN, "accumulator.bits": 6, "accumulator.rounding": "toward_zero"},
    "transfers now and then": {**OFTEN, **WORN, "accumulator.bits": 8, "accumulator.transfer_every": 3},
    "transfers of floats now and then": {
        **OFTEN, **WORN, "accumulator.bits": "float", "accumulator.transfer_every": 3, "array.pairs_per_weight": 2,
    },
    "few pulses at once": {**OFTEN, "accumulator.max_pulses": 1},
    "verified refreshes": CHECKED,
    "misses kept in floats": {**CHECKED, "accumulator.refresh_misses": "kept", "accumulator.bits": "float"},
    "misses kept in words": {
        **CHECKED, **WORN, "accumulator.refresh_misses": "kept", "accumulator.bits": 12, "array.pairs_per_weight": 2,
    },
    "linear cells": {**OFTEN, "device.nonlinearity": 0.0, "device.write_noise_scale": 0.0},
    "quiet cells": {**OFTEN, "device.read_noise_scale": 0.0, "device.drift_exponent": 0.0},
    "cells that differ": {
        **OFTEN, "device.response_spread": 0.3, "device.drift_exponent_spread": 0.02,
        "device.stuck_set_fraction": 0.1, "device.stuck_reset_fraction": 0.1,
    },
}  # fmt: skip


def begun(settings: dict[str, Any], *, accelerated: bool) -> tuple[CrossbarLayer, Tensor, Engine]:
    """Return a layer whose cells hold some weights, the weights that products see, and what steps it."""
    hardware = hardware_of(compose(settings))
    assert hardware is not None
    layer = CrossbarLayer(ROWS, COLS, hardware, seed=3, layer=0, inputs_first=False)
    layer.array.start_from(0.1 * normal(0), hardware.array.initial_mean_us)
    pace = Pace(0.5, 10.0, 2 * SAMPLES, hardware.refresh.every_samples)
    weight = torch.empty(ROWS, COLS, device=DEVICE if accelerated else "cpu")
    return layer, weight, engine_of(layer, weight, pace) if accelerated else PlainEngine(layer, weight, pace)


def normal(seed: int) -> Tensor:
    return torch.randn(ROWS, COLS, generator=torch.Generator().manual_seed(seed))


def learned(weight: Tensor, engine: Engine, steps: range, size: float = 0.2) -> list[Tensor]:
    """Return what products see after each step; in every third nothing is learned."""
    shown: list[Tensor] = []
    for step in steps:
        if step % 3 == 2:
            engine.wait(step * SAMPLES, SAMPLES)
        else:
            engine.step((size * normal(step + 1)).to(weight.device), 0.5, step * SAMPLES, SAMPLES)
        variance = engine.read_variance()
        shown += [own.detach().cpu().clone() for own in (weight, variance) if own is not None]
    return shown


def check_alike(a: tuple[CrossbarLayer, list[Tensor], Engine], b: tuple[CrossbarLayer, list[Tensor], Engine]) -> None:
    assert len(a[1]) == len(b[1])
    assert all(torch.equal(own, other) for own, other in zip(a[1], b[1], strict=True))
    states = a[2].state(), b[2].state()
    assert states[0].keys() == states[1].keys()
    for name, own in states[0].items():
        np.testing.assert_array_equal(own, states[1][name], name)
    assert vars(a[0].events) == vars(b[0].events)


def steps_of(settings: dict[str, Any], steps: int) -> CrossbarLayer:
    """Compare some steps of both paths, and return the layer of the plain one."""
    layer, weight, engine = begun(settings, accelerated=False)
    plain = layer, learned(weight, engine, range(steps)), engine
    with kernels():
        layer, weight, engine = begun(settings, accelerated=True)
        assert isinstance(engine, AcceleratedEngine)
        check_alike(plain, (layer, learned(weight, engine, range(steps)), engine))
    return plain[0]


@pytest.mark.slow
def test_a_step_and_a_refresh_in_kernels_are_those_of_the_plain_path() -> None:
    layer = steps_of({**OFTEN, "refresh.every_samples": 10}, 1)
    assert layer.events.set_pulses_update > 0
    assert layer.events.refreshed_pairs > 0


@pytest.mark.slow
@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_cells_in_kernels_are_those_of_the_plain_path(settings: dict[str, Any]) -> None:
    layer = steps_of(settings, STEPS)
    assert layer.events.set_pulses_update > 0
    assert layer.events.refreshed_pairs > 0
    assert (layer.events.chi_flips > 0) == (layer.accumulator.flips is not None)


@pytest.mark.slow
@pytest.mark.parametrize("first_in_kernels", [True, False])
def test_a_training_goes_on_where_the_other_path_left_it(first_in_kernels: bool) -> None:
    settings = CASES["misses kept in words"]
    with kernels():
        layers = [begun(settings, accelerated=own) for own in (first_in_kernels, not first_in_kernels)]
        (_, weight, engine), (other, again, further) = layers
        learned(weight, engine, range(4))
        further.restore(engine.state())
        assert torch.equal(weight.cpu(), again.cpu())
        shown = learned(weight, engine, range(4, 6)), learned(again, further, range(4, 6))
        check_alike((layers[0][0], shown[0], engine), (other, shown[1], further))


GENERATION: tuple[dict[str, Any], ...] = (
    {**CHECKED, "accumulator.refresh_misses": "kept", "accumulator.bits": "float", "device.write_noise_scale": 0.5},
    {**OFTEN, **WORN, "accumulator.bits": 6, "accumulator.rounding": "stochastic", "device.drift_exponent": 0.0},
    {**OFTEN, **WORN, "accumulator.transfer_every": 2, "accumulator.bits": 8, "refresh.threshold_us": 3.0},
    {**OFTEN, "device.nonlinearity": 0.0, "device.write_noise_scale": 0.0, "device.read_noise_scale": 0.0},
)
"""Designs of one shape that differ in cells, accumulators, refreshes and rates."""
RATES = (0.5, 0.3, 0.8, 0.5)


def generation(some: list[int]) -> list[list[np.ndarray[Any, Any]]]:
    """Return what designs hold after some launches, by their numbers, in one memory for all of them."""
    from dse.kernel.accelerator import cells  # noqa: PLC0415
    from dse.kernel.accelerator.layout import bank_of  # noqa: PLC0415

    layers = [begun(GENERATION[number], accelerated=False)[0] for number in some]
    states = [fast.states_of([layer], backward=False) for layer in layers]
    knobs = [fast.knobs_of(layer, Pace(0.5, 10.0, 1, 1)) for layer in layers]
    records = np.concatenate([own.records for own in states])
    weight = torch.zeros(len(some), ROWS * COLS, device=DEVICE)
    bank = bank_of(records, np.concatenate(knobs), [own.arrays[0] for own in states], weight)
    cells.age(bank, 0.0)
    rates = torch.tensor([-RATES[number] for number in some], device=DEVICE)
    for step in range(4):
        gradient = torch.stack([0.2 * normal(10 * step + number) for number in some]).flatten(1).to(DEVICE)
        cells.update(bank, gradient, rates, step + 1, 100.0 * step)
        if step % 2:
            cells.refresh(bank, step // 2, 100.0 * step)
            cells.age(bank, 100.0 * step)
    names = ("g_us", "history", "pulsed_at_s", "set_pulses", "reset_pulses", "left", "word", "weight", "counts")
    bits = [own.arrays[0]["flips"].shape[-1] if "flips" in own.arrays[0] else 0 for own in states]
    return [
        [*(bank.array(name, place) for name in names), bank.array("flips", place)[:, : bits[place]]]
        for place in range(len(some))
    ]


@pytest.mark.slow
def test_a_design_is_the_same_alone_and_among_others_of_a_launch() -> None:
    with kernels():
        together = generation([0, 1, 2, 3])
        for number in range(len(GENERATION)):
            (alone,) = generation([number])
            for own, among in zip(alone, together[number], strict=True):
                np.testing.assert_array_equal(own, among)
    assert len({own[6].tobytes() for own in together}) == len(GENERATION)
    assert all(own[8][:2].min() > 0 for own in together), "pulses of updates and of refreshes in every design"


def test_an_update_beyond_all_range_is_said_when_a_layer_is_looked_at() -> None:
    with kernels():
        _, weight, engine = begun({"refresh.every_samples": 0}, accelerated=True)
        engine.step(torch.full_like(weight, float("nan")), 0.5, 0, 1)
        with pytest.raises(DivergedError, match="an update of nan is beyond"):
            engine.write_back()
        assert bool(torch.isfinite(weight).all())
