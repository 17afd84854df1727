"""Any cell trains any network: one that the package does not know does, and PCM does the same plainly and compiled."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec
from dse.crossbar.usage import LayerUsage
from dse.designs.design import compose
from dse.designs.hardware import hardware_of, platform_of
from dse.tasks.curve import Epoch
from dse.tasks.train import train
from dse.updates.engines import CompiledEngine, PlainEngine
from dse.updates.layers import CrossbarLayer
from dse.updates.modules import CrossbarParameter
from dse.updates.pace import Pace
from tests.contract.soft_bounds import SoftBounds

CELL = SoftBounds(card="soft bounds", g_min_us=0.0, g_max_us=20.0, granularity_us=0.05, write_noise=0.3)
CNN: dict[str, Any] = {
    "network.name": "cnn",
    "network.width": 0.25,
    "training.epochs": 3,
    "training.batch_size": 10,
    "workload.images": 300,
}
COMMON: dict[str, Any] = {"workload.dataset": "digits", "refresh.every_samples": 0, "array.initial_mean_us": 10.0}


def trained(settings: dict[str, Any]) -> tuple[list[Epoch], list[LayerUsage]]:
    """Train a network on cells with soft bounds, by the way of every design."""
    design = compose({**COMMON, "array.initial_max_us": 20.0, **settings})
    hardware = hardware_of(design)
    assert hardware is not None
    platform = replace(platform_of(design), hardware=replace(hardware, cell=CELL))
    learner = design.network.learner(design.workload.load(), design.training, platform, seed=1)
    curve = train(learner, design.training.epochs, sample_time_s=platform.sample_time_s)
    return curve, learner.usage()


@pytest.mark.slow
def test_a_cell_of_ones_own_learns_in_a_deep_network() -> None:
    curve, layers = trained(CNN)
    assert curve[-1].metrics["accuracy"] > 0.5  # ten classes
    assert curve[-1].loss < curve[0].loss
    for layer in layers:
        assert layer.events["set_pulses_update"] > 0
        assert layer.events["resets"] == layer.wear["reset_max"] == 0
        assert 0 < layer.wear["set_max"] <= layer.events["set_pulses_update"]
        assert layer.cells == 2 * layer.rows * layer.cols


@pytest.mark.parametrize("pairs", [1, 2])
def test_pulses_of_cells_that_go_both_ways_are_shared_by_all_cells_of_a_weight(pairs: int) -> None:
    array = ArraySpec(pairs_per_weight=pairs, initial_mean_us=10.0, initial_std_us=0.0, initial_max_us=20.0)
    cell = CELL.model_copy(update={"write_noise": 0.0})
    own = PairArray(1, 2, cell, array, DacSpec(), AdcSpec(), seed=1, layer=0)
    before, events = own.sense(0.0).weight.clone(), Events()
    own.program(torch.tensor([[4 * pairs, -4 * pairs]]), 0.0, events)
    up, down = (own.sense(0.0).weight - before)[0].tolist()
    # In the middle of the window a step is the granularity; two pulses a cell move it by a little less than two.
    assert up == pytest.approx(2 * pairs * 2 * 0.05 / own.beta_us, rel=0.01)
    assert up == pytest.approx(-down, rel=1e-4)
    assert own.cells.wear()["set"].unique().tolist() == [2]
    assert events.set_pulses_update == 8 * pairs


CHANCES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "float words": {"accumulator.bits": "float"},
    "stochastic": {"accumulator.rounding": "stochastic", "accumulator.bits": 5},
    "wearing, rarely transferred": {"accumulator.storage": "pcm", "accumulator.transfer_every": 2},
    "several pairs": {"array.pairs_per_weight": 3},
    "cells that differ": {"device.response_spread": 0.3, "device.stuck_set_fraction": 0.1},
    "no read noise": {"device.read_noise_scale": 0.0},
}


def parameter(settings: dict[str, Any], *, compiled: bool) -> tuple[CrossbarParameter, torch.Tensor]:
    busy = {"refresh.threshold_us": 3.0, "refresh.every_samples": 8, "accumulator.epsilon": 0.5, **settings}
    hardware = hardware_of(compose(busy))
    assert hardware is not None
    weight = nn.Parameter(torch.linspace(-0.3, 0.3, 60).reshape(6, 2, 5))
    pace = Pace(1.0, 2.0, 12, hardware.refresh.every_samples)
    return CrossbarParameter("weight", weight, hardware, pace, seed=3, number=2, compiled=compiled), weight


def learn(own: CrossbarParameter, weight: torch.Tensor, steps: range) -> list[torch.Tensor]:
    seen: list[torch.Tensor] = []
    for step in steps:
        weight.grad = torch.sin(torch.arange(60.0) + step).reshape(6, 2, 5) if step % 5 else None
        own.step(0.7, 4 * step, 4)
        variance = own.read_variance()
        seen += [weight.detach().clone(), *([] if variance is None else [variance.clone()])]
    own.write_back()
    return seen


@pytest.mark.parametrize("settings", CHANCES.values(), ids=CHANCES)
def test_pcm_of_a_parameter_is_the_same_plainly_and_compiled_to_the_last_bit(settings: dict[str, Any]) -> None:
    (plain, weight), (compiled, other) = (parameter(settings, compiled=compiled) for compiled in (False, True))
    assert isinstance(plain._engine, PlainEngine)
    assert isinstance(compiled._engine, CompiledEngine)
    pairs = zip(learn(plain, weight, range(20)), learn(compiled, other, range(20)), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert vars(plain.layer.events) == vars(compiled.layer.events)
    assert plain.layer.events.set_pulses_update > 0
    assert plain.layer.events.refreshed_pairs > 0
    assert torch.equal(plain.layer.accumulator.chi, compiled.layer.accumulator.chi)
    for kind, pulses in plain.layer.array.cells.wear().items():
        assert torch.equal(pulses, compiled.layer.array.cells.wear()[kind])


def test_a_plain_parameter_goes_back_to_a_state_and_on_from_there() -> None:
    settings = CHANCES["stochastic"]
    (plain, weight), (again, other) = (parameter(settings, compiled=False) for _ in range(2))
    learn(plain, weight, range(7))
    again.restore(plain.state())
    assert torch.equal(weight, other)
    pairs = zip(learn(plain, weight, range(7, 15)), learn(again, other, range(7, 15)), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_state_is_that_of_compiled_cells_too() -> None:
    settings = CHANCES["stochastic"]
    (plain, weight), (compiled, other) = (parameter(settings, compiled=compiled) for compiled in (False, True))
    learn(plain, weight, range(7))
    compiled.restore(plain.state())
    assert torch.equal(weight, other)
    pairs = zip(learn(plain, weight, range(7, 15)), learn(compiled, other, range(7, 15)), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_layer_of_other_cells_takes_the_plain_path() -> None:
    hardware = hardware_of(compose({}))
    assert hardware is not None
    layer = CrossbarLayer(3, 2, replace(hardware, cell=CELL), seed=0, layer=0)
    layer.update(torch.ones(1, 3), torch.ones(1, 2), 1.0, 0.0)
    assert layer.events.set_pulses_update > 0
