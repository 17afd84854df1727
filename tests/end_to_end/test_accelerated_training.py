"""Whole steps on an accelerator: in Triton's interpreter to the last bit, on a device near it, where there is one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.crossbar.analog import analog_layers
from dse.data.base import TextInfo
from dse.designs.design import compose
from dse.designs.hardware import platform_of
from dse.kernel.accelerator.dispatch import exact_products
from dse.updates.accelerated import AcceleratedEngine
from dse.updates.mixed_precision.descent import CrossbarDescent
from dse.updates.training import ModuleTraining
from tests.interpreted import DEVICE, HAS_ACCELERATOR, kernels, on_an_accelerator
from tests.networks import COLOURED, modules_of
from tests.studies import ROOT

SETTINGS = {
    "network.name": "cnn", "dac.bits": 6, "adc.bits": 7, "adc.ranging": "calibrated", "array.tile_rows": 16,
    "refresh.every_samples": 2, "refresh.threshold_us": 2.0, "accumulator.bits": 8, "training.momentum": 0.5,
}  # fmt: skip
NEAR = 0.02
"""Norm of the difference over the norm: sums have another order, which moves values to the level of a converter beside
theirs, and weights to their threshold a step earlier or later."""


class Stepped(NamedTuple):
    """What came of some steps: outputs of each, weights at last, outputs as they are measured, events, state."""

    outputs: list[Tensor]
    weights: list[Tensor]
    measured: Tensor
    events: list[dict[str, float]]
    state: dict[str, Any]


def stepped(network: nn.Module, settings: dict[str, Any], x: Tensor, steps: int, device: str) -> Stepped:
    """Return what some steps of mixed precision, at a rate at which pulses fall, come to on a device."""
    design, rate = compose(settings), 5.0
    platform = platform_of(design, device)
    placed = platform.placed(network, seed=3).to(device)
    update = cast("CrossbarDescent", platform.update(placed, cast("ModuleTraining", design.training), seed=5))
    engines = [own._engine for own in update.pairs]  # pyright: ignore[reportPrivateUsage]
    assert all(isinstance(own, AcceleratedEngine) == (device == DEVICE and TAKEN[0]) for own in engines)
    outputs: list[Tensor] = []
    for _ in range(steps):
        update.prepare(0.0)
        y = logits(placed, x.to(device))
        outputs.append(y.detach().cpu())
        functional.cross_entropy(y, (torch.arange(len(y)) % y.shape[1]).to(device)).backward()
        update.step(rate, len(x))
        for _, layer in analog_layers(placed):
            layer.calibrate()
    update.survey(3.0)
    with update.measuring(3.0), torch.no_grad():
        measured = logits(placed.eval(), x.to(device)).cpu()
    events = [
        {name: own.events[name] for name in ("set_pulses_update", "resets", "adc_cut_forward", "line_drives_backward")}
        for own in update.usage()
    ]
    return Stepped(outputs, [own.detach().cpu() for own in placed.parameters()], measured, events, update.state())


TAKEN = [False]
"""Whether kernels are to take what is on `DEVICE`."""


def accelerated(network: nn.Module, settings: dict[str, Any], x: Tensor, steps: int) -> Stepped:
    with kernels(), exact_products(DEVICE):
        TAKEN[0] = True
        try:
            return stepped(network, settings, x, steps, DEVICE)
        finally:
            TAKEN[0] = False


def logits(network: nn.Module, x: Tensor) -> Tensor:
    """Return the outputs of a network, those of a recurrent one for each character."""
    y = network(x) if x.is_floating_point() else network(x, cast("Any", network).start(x.shape[1]))[0]
    return y.flatten(0, -2)


def images(samples: int, *shape: int) -> Tensor:
    return torch.rand(samples, *shape, generator=torch.Generator().manual_seed(6))


def near(a: Tensor, b: Tensor) -> bool:
    return float((a - b).square().sum()) <= NEAR**2 * float(a.square().sum())


@pytest.mark.slow
def test_steps_of_a_small_network_in_kernels_are_those_of_the_processor() -> None:
    def small() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(4)
            first, last = nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.Linear(18, 3)
            return nn.Sequential(first, nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), last)

    given = SETTINGS, images(2, 1, 6, 6), 2
    plain, other = stepped(small(), *given, "cpu"), accelerated(small(), *given)
    pairs = [*zip(plain.outputs, other.outputs, strict=True), *zip(plain.weights, other.weights, strict=True)]
    for a, b in [*pairs, (plain.measured, other.measured)]:
        assert near(a, b) if HAS_ACCELERATOR else torch.equal(a, b)
    assert sum(own["set_pulses_update"] for own in plain.events) > 0
    assert sum(own["resets"] for own in plain.events) > 0
    if not HAS_ACCELERATOR:
        assert plain.events == other.events
        for name, own in plain.state.items():
            np.testing.assert_array_equal(own, other.state[name], name)


@pytest.mark.slow
def test_kernels_compile_for_an_accelerator_that_is_not_here(tmp_path: Path) -> None:
    """For compute capability 9.0, to machine code; running it takes the device."""
    own = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "tests.end_to_end.compiled_kernels"]
    environment = {**own, "TRITON_CACHE_DIR": str(tmp_path), "TRITON_INTERPRET": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        *("_update", "_update", "_refresh", "_refresh", "_age", "_age", "_drive", "_read", "_gather"),
        *("_forward", "_forward", "_drive", "_miss", "_drive_back", "_backward", "_scale", "_outer"),
    ]


DEEP: dict[str, dict[str, Any]] = {
    "cnn": {"network.name": "cnn", "dac.bits": 8, "adc.bits": 8},
    "resnet": {"network.name": "resnet8", "dac.bits": 8, "adc.bits": 8},
    "lstm": {"network.name": "lstm", "network.hidden": [32], "workload.dataset": "ptb", "dac.bits": 8, "adc.bits": 8},
}


def given(settings: dict[str, Any]) -> tuple[nn.Module, Tensor]:
    """Return the network of a design and some inputs."""
    design = compose(settings)
    if settings["network.name"] != "lstm":
        return modules_of(design)[0], images(16, *COLOURED)
    symbols = 50
    (network,) = design.network.build(TextInfo(1000, symbols), design.training, seed=0)
    return network, torch.randint(0, symbols, (16, 8), generator=torch.Generator().manual_seed(6))


@pytest.mark.parametrize("settings", DEEP.values(), ids=DEEP)
@on_an_accelerator
def test_a_network_learns_on_an_accelerator_as_on_the_processor(settings: dict[str, Any]) -> None:
    network, x = given(settings)
    plain, other = stepped(network, settings, x, 3, "cpu"), accelerated(network, settings, x, 3)
    assert near(plain.outputs[0], other.outputs[0])
    for a, b in zip(plain.weights, other.weights, strict=True):
        assert near(a, b)
    for a, b in zip(plain.events, other.events, strict=True):
        assert b["set_pulses_update"] == pytest.approx(a["set_pulses_update"], rel=0.05, abs=5)
