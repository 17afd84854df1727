"""The same network, cells and rules here and in aihwkit, where it is installed: accuracies side by side.

    python -m tests.benchmarks.peers [--seeds 5] [--epochs 5] [--case NAME ...] [--side ours] [--out rows.json]

With --out each case is kept, and what is there is not measured again: sides may come from two environments.

A perceptron of 64, 32 and 10 sigmoid units learns the 8x8 digits one image at a time, half the squared error, rate 0.2,
with ideal converters and noise-free reads, so that cells and rules alone are compared. Both begin from the same weights
and see the images in the same order; draws of pulses and of their noise are each simulator's own. A pair of ours, whose
cells are alike and take the pulses of a direction in turn, is one cell of aihwkit with twice the window:

    dw_min = granularity / beta;  w_max = -w_min = (g_max - g_min) / beta;  dw_min_std = step_noise

for constant steps and for soft bounds. Trains are of 31 slots with update management and without that of their length.
Tiki-Taka (TTv2) is `BufferedTransferCompound` with a full word (no momentum, nothing forgotten) and one read a step.
aihwkit sends one pulse at most for a reading, we as many as a word is worth.
"""

import argparse
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from dse.analysis.intervals import mean_half_width
from dse.data.images import Dataset
from dse.designs.design import Design, compose
from dse.designs.evaluate import evaluate
from dse.designs.hardware import platform_of
from dse.designs.outcome import Outcome
from dse.devices.two_way.settings import TwoWayCell
from dse.networks.perceptron.learner import PerceptronLearner
from dse.streams import generator
from dse.updates.layers import CrossbarLayer
from dse.updates.pulse_trains.layer import PulsedLayer
from dse.updates.tiki_taka.transfer import TransferSpec
from pipelines.common import markdown

BASE: dict[str, Any] = {
    "workload.dataset": "digits",
    "network.hidden": (32,),
    "training.batch_size": 1,
    "training.learning_rate": 0.2,
    "array.initial_std_us": 1.6,
    "dac.bits": "ideal",
    "adc.bits": "ideal",
}
EQUAL: dict[str, Any] = {
    "device.asymmetry": 0.0,
    "device.step_noise_floor": 0.0,
    "device.write_noise_us": 0.0,
    "device.step_spread": 0.0,
    "device.asymmetry_spread": 0.0,
    "device.window_spread": 0.0,
}
"""Cells of a card that are all alike."""
CASES: dict[str, dict[str, Any]] = {
    "100 constant steps, noise 1, pulses": {
        "architecture": "pulse_trains",
        "device.card": "ideal_two_way",
        "device.granularity_us": 0.2,
        "device.step_noise": 1.0,
    },
    "100 steps, soft bounds, noise 0.3, pulses": {
        "architecture": "pulse_trains",
        "device.card": "reram_gong2018",
        **EQUAL,
        "device.granularity_us": 0.2,
        "device.step_noise": 0.3,
    },
    "100 steps, soft bounds, noise 0.3, TTv2": {
        "architecture": "tiki_taka",
        "transfer.part": 0.01,
        "device.card": "reram_gong2018",
        **EQUAL,
        "device.granularity_us": 0.2,
        "device.step_noise": 0.3,
    },
}


def ours(design: Design, seed: int, data: Dataset) -> float:
    """Return the accuracy of a design after its training."""
    outcome = evaluate(design, seed, data)
    if not isinstance(outcome, Outcome):
        raise TypeError(outcome.reason)
    return float(outcome.metrics["accuracy"])


def theirs(design: Design, seed: int, data: Dataset) -> float:
    """Return the accuracy of the same network in aihwkit, from the same weights with the images in the same order."""
    optim = importlib.import_module("aihwkit.optim")
    torch.manual_seed(seed)
    network = _network(design, seed, data)
    descent = optim.AnalogSGD(network.parameters(), lr=design.training.learning_rate)
    descent.regroup_param_groups(network)
    order, targets = generator(seed, "order"), torch.eye(data.classes)
    x, labels = data.train.floats(torch.arange(len(data.train))), data.train.labels.long()
    for _ in range(design.training.passes):
        for one in torch.randperm(len(data.train), generator=order).tolist():
            descent.zero_grad()
            y = network(x[one : one + 1])
            (0.5 * ((y - targets[labels[one : one + 1]]) ** 2).sum()).backward()
            descent.step()
    network.eval()
    with torch.no_grad():
        found = network(data.test.floats(torch.arange(len(data.test)))).argmax(dim=1)
    return float((found == data.test.labels).float().mean())


def _network(design: Design, seed: int, data: Dataset) -> nn.Module:
    """Return the network in aihwkit with the initial weights of ours, the bias in a column of the array."""
    layers = importlib.import_module("aihwkit.nn")
    built: list[nn.Module] = []
    for weight in _initial(design, seed, data):
        outputs, inputs = weight.shape[1], weight.shape[0] - 1
        layer = layers.AnalogLinear(inputs, outputs, bias=True, rpu_config=_config(design))
        layer.set_weights(weight[:-1].T.contiguous(), weight[-1].contiguous())
        held, bias = layer.get_weights()
        if not (torch.allclose(held, weight[:-1].T, atol=1e-5) and torch.allclose(bias, weight[-1], atol=1e-5)):
            raise ValueError("aihwkit does not begin from the weights that it was given")
        built += [layer, nn.Sigmoid()]
    return nn.Sequential(*built)


def _initial(design: Design, seed: int, data: Dataset) -> list[Tensor]:
    """Return the initial weights of each layer, shape (inputs with the bias last, outputs)."""
    learner = design.network.learner(data, design.training, platform_of(design), seed=seed)
    own = cast("list[PulsedLayer | CrossbarLayer]", cast("PerceptronLearner", learner).layers)
    return [layer.array.sense(0.0).weight.clone() for layer in own]


def _config(design: Design) -> Any:
    """Return cell, rule and ideal products of a design in terms of aihwkit."""
    configs = importlib.import_module("aihwkit.simulator.configs")
    cell, io = _cell(design, configs), configs.IOParameters(is_perfect=True)
    if design.architecture == "tiki_taka":
        transfer = cast("TransferSpec", design.own_tables["transfer"])
        one = configs.UpdateParameters(desired_bl=1, update_bl_management=False, update_management=False)
        cell = configs.BufferedTransferCompound(
            unit_cell_devices=[cell, _cell(design, configs)],
            gamma=0.0,
            transfer_every=float(transfer.every),
            units_in_mbatch=False,
            n_reads_per_transfer=transfer.lines,
            fast_lr=transfer.gradient_rate,
            scale_fast_lr=True,
            transfer_lr=transfer.part,
            scale_transfer_lr=False,
            thres_scale=design.own_tables["accumulator"].epsilon,  # type: ignore[attr-defined]
            momentum=0.0,
            forget_buffer=False,
            transfer_forward=configs.IOParameters(is_perfect=True),
            transfer_update=one,
        )
    trains = configs.UpdateParameters(
        desired_bl=design.own_tables["trains"].longest,  # type: ignore[attr-defined]
        fixed_bl=True,
        update_bl_management=False,
        update_management=True,
    )
    kind = configs.UnitCellRPUConfig if design.architecture == "tiki_taka" else configs.SingleRPUConfig
    in_array = configs.MappingParameter(digital_bias=False)
    return kind(device=cell, forward=io, backward=io, update=trains, mapping=in_array)


def _cell(design: Design, configs: Any) -> Any:
    """Return the cell of aihwkit that a pair of a design is.

    Raises:
        ValueError: the cells are not all alike, or show more than their conductance.
    """
    cell, beta = cast("TwoWayCell", design.device), design.array.conductance_per_weight_us
    differs = {name: getattr(cell, name) for name in _PLAIN if getattr(cell, name, 0.0) != 0.0}
    if differs:
        raise ValueError(f"a pair is one cell of aihwkit where cells are alike and plain, and here {differs}")
    largest = (cell.g_max_us - cell.g_min_us) / beta
    kind = {"linear_step": configs.ConstantStepDevice, "soft_bounds": configs.SoftBoundsDevice}[cell.model]
    spreads = dict.fromkeys(("dw_min_dtod", "up_down_dtod", "w_max_dtod", "w_min_dtod"), 0.0)
    return kind(
        dw_min=cell.granularity_us / beta,
        dw_min_std=cell.step_noise,
        up_down=0.0,
        w_max=largest,
        w_min=-largest,
        **spreads,
    )


_PLAIN = (
    *("asymmetry", "step_noise_floor", "write_noise_us", "read_noise_us", "step_spread", "asymmetry_spread"),
    *("window_spread", "leak_per_s", "slope_up", "slope_down", "slope_spread"),
)


SIDES: dict[str, Callable[[Design, int, Dataset], float]] = {"ours": ours, "aihwkit": theirs}
Rows = dict[str, dict[str, list[float]]]
"""Accuracies by case with its epochs and by side, one a seed."""


def measure(rows: Rows, case: str, sides: Sequence[str], seeds: int, epochs: int) -> None:
    """Add the accuracies of a case to rows, those of sides that it lacks."""
    design = compose({**BASE, "training.epochs": epochs, **CASES[case]})
    data = cast("Dataset", design.workload.load())
    own = rows.setdefault(f"{case}, {epochs} epochs", {})
    for side in sides:
        if len(own.get(side, [])) < seeds:
            own[side] = [SIDES[side](design, seed, data) for seed in range(seeds)]


def shown(rows: Rows) -> str:
    """Return the table for a page; +- are 95 % intervals over seeds."""
    head = ("cell and rule", "here", "aihwkit", "difference, paired by seed")
    return markdown(head, [(case, *map(_interval, _columns(row))) for case, row in rows.items()])


def _columns(row: Mapping[str, list[float]]) -> list[np.ndarray]:
    sides = [np.array(row.get(side, [])) for side in SIDES]
    return [*sides, sides[0] - sides[1] if len(sides[0]) == len(sides[1]) else np.array([])]


def _interval(values: np.ndarray) -> str:
    return f"{100 * values.mean():.1f} +- {100 * mean_half_width(values):.1f} %" if len(values) else ""


def main() -> None:
    """Compare, and print the table after each case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--case", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--side", nargs="*", choices=list(SIDES), default=list(SIDES))
    parser.add_argument("--out", type=Path, help="file of the accuracies, JSON; there, go on with it")
    options = parser.parse_args()
    kept: Path | None = options.out
    rows: Rows = json.loads(kept.read_text()) if kept is not None and kept.exists() else {}
    for case in options.case:
        measure(rows, case, options.side, options.seeds, options.epochs)
        if kept is not None:
            kept.write_text(json.dumps(rows, indent=1))
        print(shown(rows), flush=True)


if __name__ == "__main__":
    main()
