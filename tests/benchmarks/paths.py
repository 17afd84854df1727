"""How many times as long the plain path takes where compiled code or one function over time could do the same.

    DSE_DATA_DIR=... python -m tests.benchmarks.paths [--rounds 3] [--only perceptron] [--keep]

`dse check` says these factors of what a study chooses (`dse.search.remarks`). Both paths start alike and learn the same
samples in turns; the plain one must come to the same cells and words, to the last bit, or for a sequence to the same
loss within rounding. Processor seconds of one thread.
"""

import argparse
import copy
import math
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.crossbar.analog import Crossbars, analog_layers, on_crossbars
from dse.crossbar.spec import AdcSpec, DacSpec
from dse.designs.design import compose
from dse.designs.hardware import platform_of
from dse.networks import recurrent
from dse.networks.lstm import module
from dse.networks.perceptron.plain import PlainRun
from dse.networks.recurrent import State
from dse.updates import engines, fast
from dse.updates.mixed_precision.spec import MixedPrecision
from tests.benchmarks.kept import Row, in_turns, keep, keep_option, processor, show
from tests.benchmarks.mnist import FLOAT, PACE, PATHS, layers_of, state
from tests.benchmarks.recurrent import PATHS as RECURRENT
from tests.benchmarks.recurrent import Bench, turn
from tests.data import load
from tests.networks import placed

NOTHING_MUCH = 1e-12
"""An error of a converter that is lost when floats are added."""
EIGHT = Crossbars(DacSpec(bits=8), AdcSpec(bits=8))
Pair = tuple[Callable[[], object], Callable[[], object]]
"""What learns on the plain path, and on the other."""


def perceptron(batch: int, settings: dict[str, Any]) -> Pair:
    """Return what learns some images of MNIST on either path, after a check that both leave the same."""
    data = load("mnist", 0.0)
    count = max(batch, 100)
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:count]
    lessons, both = fast.Lessons.of(data), [layers_of(settings), layers_of(settings)]
    runs = PlainRun(both[0], lessons, batch, PACE), fast.runner(both[1], lessons, batch, PACE)
    for run in runs:
        run.learn(order, 0)
    if not all(torch.equal(a, b) for a, b in zip(*map(state, both), strict=True)):
        raise SystemExit(f"batch {batch}: the compiled path differs from the plain one")
    return lambda: runs[0].learn(order, count), lambda: runs[1].learn(order, count)


def _nothing(*_: object) -> bool:
    """Return that nothing is compiled."""
    return False


def modules() -> Pair:
    """Return a step of a convolutional network with cells and accumulators on either path, after the same check."""
    design = compose({"network.name": "cnn", "workload.dataset": "cifar10", "network.width": 0.25, **FLOAT})
    x = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    labels, steps, descents = torch.arange(16) % 10, list[Callable[[], object]](), list[Any]()
    for compiled in (False, True):
        network = placed(design)
        with mock.patch.object(fast, "compiles", wraps=fast.compiles if compiled else _nothing):
            descent = MixedPrecision.descent(network, design.training, platform_of(design), seed=0)  # type: ignore[arg-type]

        def step(network: Any = network, descent: Any = descent) -> None:
            descent.prepare(1.0)
            functional.cross_entropy(network(x), labels).backward()
            descent.step(0.5, len(labels))

        step()
        steps.append(step)
        descents.append(descent)
    kinds: set[object] = {type(own._engine) for descent in descents for own in descent.pairs}
    if kinds != {engines.PlainEngine, engines.CompiledEngine}:
        raise SystemExit(f"engines of one kind alone: {kinds}")
    for plain, quick in zip(*(descent.pairs for descent in descents), strict=True):
        if not torch.equal(plain.layer.array.cells.g_us, quick.layer.array.cells.g_us):
            raise SystemExit("cells of modules differ between the paths")
    return steps[0], steps[1]


def erring(*kinds: str) -> Pair:
    """Return a step of a convolutional network whose converters err, by too little to tell, and without.

    Args:
        kinds: settings of `adc.errors`.
    """
    x = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    labels, steps, losses = torch.arange(16) % 10, list[Callable[[], object]](), list[list[float]]()
    for errors in ({f"adc.errors.{kind}": NOTHING_MUCH for kind in kinds}, {}):
        settings = {"network.name": "cnn", "workload.dataset": "cifar10", "network.width": 0.25, **FLOAT, **errors}
        design = compose(settings)
        network = placed(design)
        descent = MixedPrecision.descent(network, design.training, platform_of(design), seed=0)  # type: ignore[arg-type]

        def step(network: Any = network, descent: Any = descent) -> float:
            descent.prepare(1.0)
            loss = functional.cross_entropy(network(x), labels)
            loss.backward()
            descent.step(0.5, len(labels))
            return loss.item()

        losses.append([step() for _ in range(3)])
        steps.append(step)
    if not all(math.isclose(*both, rel_tol=1e-5) for both in zip(*losses, strict=True)):  # a code on the edge may tip
        raise SystemExit(f"converters that err by next to nothing change the losses: {losses}")
    return steps[0], steps[1]


def sequence(name: str) -> Pair:
    """Return steps of an LSTM through the loop and as one function, after a check that they lose the same."""
    bench = Bench(128, 16, 32)
    whole, loop = (bench.ours(RECURRENT[name][0], 1.0) for _ in range(2))

    def through_the_loop() -> float:
        with mock.patch.object(module, "takes", return_value=False):
            return loop()

    losses = through_the_loop(), whole()
    if not math.isclose(*losses, rel_tol=1e-3):
        raise SystemExit(f"{name}: the loop loses {losses[0]}, one function {losses[1]}")
    return turn(through_the_loop), turn(whole)


class Gated(nn.Module):
    """A layer of gated units (Cho et al., EMNLP 2014), as a plug-in would bring it."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.from_input, self.from_state = nn.Linear(units, 3 * units), nn.Linear(units, 3 * units, bias=False)

    @staticmethod
    def unit(driven: Tensor, product: Tensor, state: State) -> State:
        (r, z, n), (own_r, own_z, own_n) = driven.chunk(3, dim=1), product.chunk(3, dim=1)
        z = torch.sigmoid(z + own_z)
        return ((1.0 - z) * torch.tanh(n + torch.sigmoid(r + own_r) * own_n) + z * state[0],)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return recurrent.over_time(self.unit, self.from_input(x), (h,), self.from_state)[0]


def gated(crossbars: Crossbars, *, noisy: bool) -> Pair:
    """Return a pass through gated units and back, by single products and over time, after a check of the outputs."""
    x, h = torch.randn(32, 16, 128, generator=torch.Generator().manual_seed(0)), torch.zeros(16, 128)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = Gated(128)
    both = [on_crossbars(copy.deepcopy(plain), crossbars, seed=1) for _ in range(2)]
    for layer in (layer for own in both for _, layer in analog_layers(own)):
        layer.counting, layer.read_noise = True, 1e-4 * layer.weight.detach().square() if noisy else None

    def loop() -> Tensor:
        with mock.patch.object(recurrent, "takes", return_value=False):
            return whole(both[0])

    def whole(own: nn.Module = both[1]) -> Tensor:
        y = own(x, h)
        y.square().sum().backward()
        return y.detach()

    if not torch.allclose(loop(), whole(), atol=1e-2):
        raise SystemExit("gated units over time differ from single products")
    return loop, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    keep_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    made: dict[str, Callable[[], Pair]] = {
        **{
            f"perceptron, batch {batch}, {what}": lambda batch=batch, what=what: perceptron(batch, PATHS[what])
            for batch in (1, 10, 100)
            for what in ("PCM, float chi", "PCM, float chi, read noise, 8-bit converters, drift")
        },
        "cells and accumulators of modules": modules,
        "convolutions, gains of converters err": lambda: erring("gain_std"),
        "convolutions, all errors of converters": lambda: erring("gain_std", "offset_std", "inl_std", "noise_std"),
        "GRU of a plug-in, exact products": lambda: gated(Crossbars(), noisy=False),
        "GRU of a plug-in, 8-bit converters both ways": lambda: gated(EIGHT, noisy=False),
        "GRU of a plug-in, read noise in every product, 8 bits": lambda: gated(EIGHT, noisy=True),
        **{f"LSTM, {name}": lambda name=name: sequence(name) for name in list(RECURRENT)[:4]},
    }
    print(f"{processor()}, torch {torch.__version__}, one thread\n  {'plain path, times as long':52}")
    rows: list[Row] = []
    for what, make in made.items():
        if options.only in what:
            plain, quick = make()
            rows.append((what, 1.0 / in_turns(plain, quick, options.rounds), None))
            show(rows[-1])
    if options.keep:
        keep(
            "paths", "compiled code, or one function over time; a rate is how many times as long the other takes", rows
        )


if __name__ == "__main__":
    main()
