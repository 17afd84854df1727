"""How near fast ways to work out wires come to the equations of all nodes, and what a step of training takes.

    python -m tests.benchmarks.wires errors     errors of products, as shares of what wires take
    python -m tests.benchmarks.wires oracle     currents of badcrossbar, where it is installed
    python -m tests.benchmarks.wires steps      the time of a step of ResNet-20 with wires and without, in turns

Errors are those of differences of the two bit lines of a pair, over inputs of four kinds: all ones, evenly distributed
in [0, 1], the same with four fifths at zero, and normal of both signs; the largest of the four is shown. "first order"
is G (1 - R G), the drop that currents without any drop would cause; "two ladders" leaves out what passes between rows.
"""

import argparse
import importlib
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from dse.crossbar.wire_spec import WireSpec
from dse.crossbar.wires.base import Lines
from dse.crossbar.wires.ladders import Ladders, shares
from dse.crossbar.wires.nodal import Nodal
from dse.designs.design import compose
from dse.designs.hardware import hardware_of
from dse.updates.mixed_precision.descent import CrossbarDescent
from tests.networks import placed

FULL_US = 20.0
CASES = [
    *((64, 64, ohm) for ohm in (0.35, 1.0, 3.0)),
    *((128, 64, ohm) for ohm in (0.35, 1.0, 3.0)),
    *((256, 64, ohm) for ohm in (0.35, 1.0, 3.0)),
    (512, 32, 1.0),
    (128, 128, 10.0),
]
"""Rows, weights a row (two bit lines each), ohm a segment."""


def first_order(g: Any, lines: Lines) -> Any:
    drops = [line.raised(np.eye(size)) for line, size in ((lines.columns, g.shape[0]), (lines.rows, g.shape[1]))]
    return g * (1.0 - drops[0] @ g - g @ drops[1])


METHODS: dict[str, Callable[[Any, Lines], Any]] = {
    "first order": first_order,
    "two ladders": lambda g, lines: g * shares(g, lines),
    "ladders": Ladders.effective,
}


def densities(rows: int, weights: int) -> Iterator[tuple[str, Any]]:
    """Yield conductances of pairs: programmed (one cell of a pair), trained (both, around a mean), and sparse ones."""
    drawn = np.random.default_rng(0).normal(size=(rows, weights))
    plus, minus = (np.clip(0.35 * sign * drawn, 0.0, 1.0) for sign in (1.0, -1.0))
    yield "one cell of a pair", (plus, minus)
    yield "both, mean 1/5", tuple(np.clip(0.2 + 0.07 * sign * drawn, 0.0, 1.0) for sign in (1.0, -1.0))
    kept = np.abs(drawn) > 1.28
    yield "one in five weights", (plus * kept, minus * kept)


def lines_of(pair: Any) -> Any:
    found = np.empty((pair[0].shape[0], 2 * pair[0].shape[1]), np.float32)
    found[:, ::2], found[:, 1::2] = FULL_US * pair[0], FULL_US * pair[1]
    return found


def inputs(rows: int) -> list[Any]:
    rng = np.random.default_rng(1)
    even, mask = rng.random((20, rows)), rng.random((20, rows)) < 0.2
    return [np.ones((1, rows)), even, even * mask, rng.normal(size=(20, rows))]


def errors() -> None:
    print("| rows x weights | ohm | cells | loss of products, % |", *(f"{name}, % of the loss |" for name in METHODS))
    print("|---|---|---|---|" + "---|" * len(METHODS))
    for rows, weights, ohm in CASES:
        lines = WireSpec(row_ohm=ohm).lines()
        for name, pair in densities(rows, weights):
            g = lines_of(pair)
            exact = Nodal.effective(g, lines)
            row = [_largest(rows, g - exact, g)]
            row += [_largest(rows, method(g, lines) - exact, g - exact) for method in METHODS.values()]
            print(f"| {rows} x {weights} | {ohm:g} | {name} |", *(f"{100 * value:.3g} |" for value in row), flush=True)
            if row[-1] > 0.1:
                raise SystemExit("ladders err by more than a tenth of the loss")


def _largest(rows: int, wrong: Any, whole: Any) -> float:
    wrong, whole = (g[:, ::2] - g[:, 1::2] for g in (wrong, whole))
    return max(float(np.linalg.norm(x @ wrong) / np.linalg.norm(x @ whole)) for x in inputs(rows))


def oracle() -> None:
    badcrossbar = importlib.import_module("badcrossbar")
    print("| cells | ohm | badcrossbar: mean (worst) column | nodal | ladders | largest difference of a current |")
    print("|---|---|---|---|---|---|")
    for rows, ohm, g_us in ((64, 1.0, 10.0), (128, 1.0, 10.0), (256, 1.0, 10.0), (256, 0.35, 5.0), (64, 5.0, None)):
        g = np.full((rows, rows), g_us or 0.0, np.float32)
        if g_us is None:
            g = FULL_US * np.random.default_rng(0).random((rows, rows), np.float32)
        # Its columns are read below the last row.
        found = badcrossbar.compute(np.full((rows, 1), 1.0), 1e6 / g[::-1].astype(float), r_i=ohm).currents.output
        theirs = found.ravel() * 1e6
        lines, ideal = WireSpec(row_ohm=ohm).lines(), g.sum(axis=0)
        ours = [solution.effective(g, lines).sum(axis=0) for solution in (Nodal, Ladders)]
        wrong = max(float(np.abs(own / theirs - 1.0).max()) for own in ours[:1])
        columns = [f"{(own / ideal).mean():.4f} ({(own / ideal).min():.4f})" for own in (theirs, *ours)]
        cells = f"{rows} x {rows}, {'0 to 20 uS' if g_us is None else f'{g_us:g} uS'}"
        print(f"| {cells} | {ohm:g} |", *(f"{own} |" for own in columns), f"{wrong:.1e} |", flush=True)
        if wrong > 1e-4:
            raise SystemExit("the equations of all nodes are not those of badcrossbar")


def steps(rounds: int, batch: int) -> None:
    torch.set_num_threads(1)
    x = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    x = x.to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch,), generator=torch.Generator().manual_seed(1))
    paths = {"no wires": _step(x, labels), "1 ohm": _step(x, labels, **{"array.wires.row_ohm": 1.0})}
    times: dict[str, list[float]] = {name: [] for name in paths}
    for path in paths.values():
        path()
    for _ in range(rounds):
        for name, path in paths.items():
            start = time.process_time()
            path()
            times[name].append(time.process_time() - start)
    ratios = [own / other for own, other in zip(times["1 ohm"], times["no wires"], strict=True)]
    print(f"a step of ResNet-20, {batch} images, arrays of 256 x 256, 8-bit converters: {times}")
    print(f"with wires {statistics.median(ratios):.3f} times without ({min(ratios):.3f} to {max(ratios):.3f})")


def _step(x: torch.Tensor, labels: torch.Tensor, **settings: Any) -> Callable[[], None]:
    design = compose({"network.name": "resnet20", **settings})
    hardware, clock, network = hardware_of(design), design.clock, placed(design)
    assert hardware is not None
    assert clock is not None
    descent = CrossbarDescent(
        network,
        hardware,
        conductance_per_std_us=design.array.conductance_per_std_us,
        with_accumulator=False,
        seed=0,
        sample_time_s=clock.sample_time_s,
        drift_every=clock.drift_every_samples,
    )

    def step() -> None:
        descent.prepare(1.0)
        functional.cross_entropy(network(x), labels).backward()
        descent.step(1e-3, len(labels))

    step()
    _check(descent)
    return step


def _check(descent: CrossbarDescent) -> None:
    """Weights that products see must be those of the definition."""
    for pair, parameter in zip(descent.pairs, descent.optimiser.param_groups[0]["params"], strict=True):
        pair.write_back()
        seen = parameter.detach().reshape(pair.layer.rows, -1)
        if not torch.equal(seen, pair.layer.sensed.weight):
            raise SystemExit(f"{pair.name} does not show what its wires leave")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("what", choices=["errors", "oracle", "steps"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    if options.what == "steps":
        steps(options.rounds, options.batch)
    else:
        {"errors": errors, "oracle": oracle}[options.what]()


if __name__ == "__main__":
    main()
